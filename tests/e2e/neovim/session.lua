-- What the probes in a real Neovim share: set-up, waits, code actions, the report.
local root, report_file = vim.env.PROBE_ROOT, vim.env.PROBE_REPORT
local report = { steps = {}, questions = {} }

dofile(vim.env.PROBE_SETUP)

-- Nobody sits here: a question stays unanswered, as when the user looks elsewhere.
vim.ui.select = function(items, options) table.insert(report.questions, options.prompt) end

Probe = { seconds = 90 }

function Probe.run(steps)
  local ok, failure = pcall(steps, report)
  report.failure = not ok and tostring(failure) or nil
  report.messages = vim.fn.execute('messages')
  vim.fn.writefile({ vim.json.encode(report) }, report_file)
  vim.cmd('qall!')
end

function Probe.wait(what, condition)
  if not vim.wait(1000 * Probe.seconds, condition, 20) then error('waited in vain for ' .. what) end
  table.insert(report.steps, what)
end

function Probe.open(name) vim.cmd.edit(root .. '/' .. name) end

function Probe.attached()
  Probe.wait('initialized', function()
    local client = vim.lsp.get_clients({ name = 'ml_coach' })[1]
    return client and client.initialized
  end)
end

-- What the user sees of the file: its buffer, else what is on disk.
function Probe.text(name)
  local buffer = vim.fn.bufnr(root .. '/' .. name)
  local is_shown = buffer >= 0 and vim.api.nvim_buf_is_loaded(buffer)
  local lines = is_shown and vim.api.nvim_buf_get_lines(buffer, 0, -1, false) or vim.fn.readfile(root .. '/' .. name)
  return table.concat(lines, '\n') .. '\n'
end

function Probe.findings(name)
  local buffer = vim.fn.bufnr(root .. '/' .. name)
  return buffer < 0 and {} or vim.diagnostic.get(buffer)
end

function Probe.told(text) return vim.fn.execute('messages'):find(text, 1, true) ~= nil end

function Probe.action(title)
  vim.lsp.buf.code_action({
    apply = true,
    filter = function(found) return vim.startswith(found.title, title) end,
  })
end
