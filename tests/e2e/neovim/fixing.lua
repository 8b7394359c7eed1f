-- A project's failing tests, mended in Neovim: the set-up of docs/editors.md, then its own commands.
dofile(vim.fs.joinpath(vim.fs.dirname(debug.getinfo(1, 'S').source:sub(2)), 'session.lua'))

local tests, prices, rates = 'tests/test_prices.py', 'src/shop/prices.py', 'src/shop/rates.py'

Probe.run(function(report)
  Probe.open(prices)
  report.before = { Probe.text(prices), Probe.text(rates) }
  Probe.open(tests)
  Probe.attached()
  Probe.action('Fix failing tests with ML Coach')
  Probe.wait('findings', function() return #Probe.findings(tests) == 2 end)
  report.lines = vim.tbl_map(function(d) return d.lnum + 1 end, Probe.findings(tests))
  Probe.wait('a patch', function() return Probe.told('waits for you') end)

  -- The quick fix at a test that fails, over a file that is open and one that is not.
  vim.api.nvim_win_set_cursor(0, { report.lines[1], 0 })
  Probe.action('Apply ML Coach patch')
  Probe.wait('the end', function() return Probe.told('3 of 3 tests pass') end)
  report.fixed = { Probe.text(prices), Probe.text(rates) }
  Probe.wait('no finding', function() return #Probe.findings(tests) == 0 end)

  Probe.open(prices)
  Probe.action('Undo ML Coach run')
  Probe.wait('the old code', function()
    return Probe.text(prices) == report.before[1] and Probe.text(rates) == report.before[2]
  end)
end)
