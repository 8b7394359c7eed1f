-- A project's failing tests, mended in Neovim: the set-up of docs/editors.md, then its own commands.
dofile(vim.fs.joinpath(vim.fs.dirname(debug.getinfo(1, 'S').source:sub(2)), 'session.lua'))

local tests, failing = vim.env.PROBE_TESTS, tonumber(vim.env.PROBE_FAILING)
local code = vim.split(vim.env.PROBE_CODE, ':')

-- The first file is open, the others are not.
local function shown() return vim.tbl_map(Probe.text, code) end

Probe.run(function(report)
  Probe.open(code[1])
  local before = shown()
  Probe.open(tests)
  Probe.attached()
  Probe.action('Fix failing tests with ML Coach')
  Probe.wait('findings', function() return #Probe.findings(tests) == failing end)
  report.lines = vim.tbl_map(function(d) return d.lnum + 1 end, Probe.findings(tests))
  Probe.wait('a patch', function() return Probe.told('waits for you') end)

  -- The quick fix at a test that fails.
  vim.api.nvim_win_set_cursor(0, { report.lines[1], 0 })
  Probe.action('Apply ML Coach patch')
  Probe.wait('the end', function() return Probe.told(vim.env.PROBE_TOLD) end)
  report.fixed = shown()
  Probe.wait('no finding', function() return #Probe.findings(tests) == 0 end)

  Probe.open(code[1])
  Probe.action('Undo ML Coach run')
  Probe.wait('the old code', function() return vim.deep_equal(shown(), before) end)
end)
