-- What a user does in Neovim: the set-up of docs/editors.md, then only the editor's own commands.
local root, report_file = vim.env.PROBE_ROOT, vim.env.PROBE_REPORT
local started = vim.uv.hrtime()
local report = { steps = {}, questions = {} }

dofile(vim.env.PROBE_SETUP)

-- Nobody sits here: a question stays unanswered, as when the user looks elsewhere.
vim.ui.select = function(items, options) table.insert(report.questions, options.prompt) end

local function finish(failure)
  report.failure = failure
  vim.fn.writefile({ vim.json.encode(report) }, report_file)
  vim.cmd('qall!')
end

local function wait(what, condition)
  if not vim.wait(20000, condition, 20) then
    error('waited in vain for ' .. what)
  end
  table.insert(report.steps, { what, math.floor((vim.uv.hrtime() - started) / 1e6) })
end

local function text(name)
  local buffer = vim.fn.bufnr(root .. '/' .. name)
  if buffer < 0 then return nil end
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n') .. '\n'
end

local function action(title)
  vim.lsp.buf.code_action({
    apply = true,
    filter = function(found) return vim.startswith(found.title, title) end,
  })
end

local function findings(name)
  local buffer = vim.fn.bufnr(root .. '/' .. name)
  return buffer < 0 and {} or vim.diagnostic.get(buffer)
end

local function run()
  vim.cmd.edit(root .. '/notes.py')
  wait('attached', function() return #vim.lsp.get_clients({ name = 'ml_coach' }) > 0 end)
  wait('initialized', function() return vim.lsp.get_clients({ name = 'ml_coach' })[1].initialized end)
  vim.api.nvim_win_set_cursor(0, { 1, 0 })
  action('Generate with ML Coach')
  wait('a finding', function() return #findings('test_generated.py') > 0 end)
  report.program = text('generated_code.py')
  report.tests = text('test_generated.py')
  report.found = vim.tbl_map(function(d)
    return { line = d.lnum, message = d.message, source = d.source }
  end, findings('test_generated.py'))

  -- A message tells of the patch; a question would take the keys of a user who is typing.
  wait('a patch', function() return vim.fn.execute('messages'):find('waits for you') ~= nil end)
  vim.cmd.buffer(vim.fn.bufnr(root .. '/generated_code.py'))
  action('Apply ML Coach patch')
  wait('the repair', function() return text('generated_code.py') == vim.env.PROBE_RIGHT end)
  wait('no finding', function() return #findings('test_generated.py') == 0 end)
  wait('the end', function()
    return vim.fn.execute('messages'):find('tests pass') ~= nil
  end)

  action('Undo ML Coach run')
  wait('nothing left', function() return vim.fn.filereadable(root .. '/generated_code.py') == 0 end)
end

local ok, failure = pcall(run)
finish(not ok and tostring(failure) or nil)
