-- Which tests of a file cannot fail: a code action asks, diagnostics and a lens answer.
local root, report_file = vim.env.PROBE_ROOT, vim.env.PROBE_REPORT
local report = {}

dofile(vim.env.PROBE_SETUP)

local function finish(failure)
  report.failure = failure
  report.messages = vim.fn.execute('messages')
  vim.fn.writefile({ vim.json.encode(report) }, report_file)
  vim.cmd('qall!')
end

local function wait(what, condition)
  if not vim.wait(90000, condition, 20) then error('waited in vain for ' .. what) end
end

local function run()
  vim.fn.writefile({ 'def is_full(count):', '    return count >= 3' }, root .. '/cart.py')
  vim.fn.writefile({
    'from cart import is_full', '', '',
    'def test_full():', '    assert is_full(3)', '', '',
    'def test_weak():', '    assert (is_full(1), "a tuple")',
  }, root .. '/test_cart.py')
  vim.cmd.edit(root .. '/test_cart.py')
  wait('initialized', function()
    local client = vim.lsp.get_clients({ name = 'ml_coach' })[1]
    return client and client.initialized
  end)
  vim.lsp.buf.code_action({
    apply = true,
    filter = function(found) return found.title == 'Which of these tests cannot fail?' end,
  })
  wait('the answer', function() return #vim.diagnostic.get(0) == 2 end)
  report.found = {}
  for _, each in ipairs(vim.diagnostic.get(0)) do
    table.insert(report.found, { line = each.lnum, message = each.message, code = each.code })
  end
  wait('the lens', function()
    vim.lsp.codelens.refresh({ bufnr = 0 })
    for _, lens in ipairs(vim.lsp.codelens.get(0)) do
      local title = lens.command and lens.command.title or ''
      if title:find('cannot fail; ', 1, true) then
        report.lens = title
        return true
      end
    end
    return false
  end)
end

local ok, failure = pcall(run)
finish(not ok and tostring(failure) or nil)
