-- A run that is not sure ends with a question; a quick fix answers it, and the run goes on.
local root, report_file = vim.env.PROBE_ROOT, vim.env.PROBE_REPORT
local report = { questions = {} }

dofile(vim.env.PROBE_SETUP)

vim.ui.select = function(items, options) table.insert(report.questions, options.prompt) end

local function finish(failure)
  report.failure = failure
  report.messages = vim.fn.execute('messages')
  vim.fn.writefile({ vim.json.encode(report) }, report_file)
  vim.cmd('qall!')
end

local function wait(what, condition)
  if not vim.wait(90000, condition, 20) then error('waited in vain for ' .. what) end
end

local function text(name)
  local buffer = vim.fn.bufnr(root .. '/' .. name)
  return buffer < 0 and '' or table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n')
end

local function hints()
  local buffer = vim.fn.bufnr(root .. '/generated_code.py')
  if buffer < 0 then return {} end
  return vim.diagnostic.get(buffer, { severity = vim.diagnostic.severity.HINT })
end

local function action(title)
  vim.lsp.buf.code_action({
    apply = true,
    filter = function(found) return vim.startswith(found.title, title) end,
  })
end

local function run()
  vim.cmd.edit(root .. '/notes.py')
  wait('initialized', function()
    local client = vim.lsp.get_clients({ name = 'ml_coach' })[1]
    return client and client.initialized
  end)
  vim.api.nvim_win_set_cursor(0, { 1, 0 })
  action('Generate with ML Coach')
  wait('the question', function() return #hints() == 1 end)
  report.hint = hints()[1].message
  wait('word of it', function()
    return vim.fn.execute('messages'):find('Choose the answer among the code actions') ~= nil
  end)
  vim.cmd.buffer(vim.fn.bufnr(root .. '/generated_code.py'))
  vim.api.nvim_win_set_cursor(0, { 1, 0 })
  action("Answer ML Coach: slugify('A B_c') gives 'a-b-c'")
  wait('the confirmed test', function()
    return text('test_generated.py'):find('test_confirmed_1', 1, true) ~= nil
  end)
  wait('no question', function() return #hints() == 0 end)
  report.program, report.tests = text('generated_code.py'), text('test_generated.py')
end

local ok, failure = pcall(run)
finish(not ok and tostring(failure) or nil)
