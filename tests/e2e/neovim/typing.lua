-- Somebody types while ML Coach writes: a line at random moments into the file that a run is changing.
-- Nothing typed may be lost or doubled, whatever the run does with its own text.
local root, report_file = vim.env.PROBE_ROOT, vim.env.PROBE_REPORT
local rounds, at_once = tonumber(vim.env.PROBE_ROUNDS), 5
local report = { rounds = {}, edits = 0 }
math.randomseed(tonumber(vim.env.PROBE_SEED))

dofile(vim.env.PROBE_SETUP)
vim.ui.select = function() end

local function finish(failure)
  report.failure = failure
  vim.fn.writefile({ vim.json.encode(report) }, report_file)
  vim.cmd('qall!')
end

local function lines(buffer) return vim.api.nvim_buf_get_lines(buffer, 0, -1, false) end

--- Types one line where a cursor could be, as one change of the buffer.
local function type_line(round)
  local count = #lines(round.buffer)
  local at = math.random(0, count)
  local line = string.format('# typed %d in round %d', #round.typed + 1, round.number)
  vim.api.nvim_buf_set_lines(round.buffer, at, at, false, { line })
  table.insert(round.typed, line)
end

--- Types soon after each change that the server makes, when what it reads back is still old.
local function watch(round)
  vim.api.nvim_buf_attach(round.buffer, false, {
    on_lines = function()
      if round.typing or #round.typed >= 6 then return end
      report.edits = report.edits + 1
      round.typing = true
      vim.defer_fn(function()
        if math.random() < 0.8 then pcall(type_line, round) end
        round.typing = false
      end, math.random(0, 400))
    end,
  })
end

local function start(number, client)
  local round = { number = number, typed = {}, file = string.format('%s/p%d.py', root, number) }
  client:request('workspace/executeCommand', {
    command = 'mlCoach.generate',
    arguments = { { prompt = vim.env.PROBE_PROMPT, targetUri = vim.uri_from_fname(round.file), autoPatch = true } },
  }, function(failure, answer)
    round.failure = failure and failure.message
    round.run = answer and answer.runId
  end)
  return round
end

local function step(round)
  if not round.buffer then
    local buffer = vim.fn.bufnr(round.file)
    if buffer > 0 and vim.api.nvim_buf_is_loaded(buffer) and #lines(buffer) > 1 then
      round.buffer = buffer
      watch(round)
      if math.random() < 0.7 then vim.defer_fn(function() pcall(type_line, round) end, math.random(0, 300)) end
    end
  elseif math.random() < 0.004 and #round.typed < 6 then
    type_line(round)
  end
end

local function over(client, round, done)
  client:request('workspace/executeCommand', { command = 'mlCoach.runs', arguments = { { limit = 50 } } },
    function(_, answer)
      for _, run in ipairs(answer and answer.runs or {}) do
        if run.runId == round.run and not run.active then done(run) end
      end
    end)
end

local function settle(round)
  local count = {}
  for _, line in ipairs(round.buffer and lines(round.buffer) or {}) do
    count[line] = (count[line] or 0) + 1
  end
  local lost, doubled = {}, {}
  for _, line in ipairs(round.typed) do
    if not count[line] then table.insert(lost, line) end
    if (count[line] or 0) > 1 then table.insert(doubled, line) end
  end
  table.insert(report.rounds, {
    number = round.number, typed = #round.typed, lost = lost, doubled = doubled,
    outcome = round.outcome, reason = round.reason, failure = round.failure,
    text = round.buffer and table.concat(lines(round.buffer), '\n') or vim.NIL,
  })
end

local function run()
  vim.cmd.edit(root .. '/notes.py')
  assert(vim.wait(20000, function()
    local client = vim.lsp.get_clients({ name = 'ml_coach' })[1]
    return client and client.initialized
  end, 20), 'no server')
  local client = vim.lsp.get_clients({ name = 'ml_coach' })[1]
  local active, next_number, asked = {}, 1, 0
  assert(vim.wait(rounds * 8000, function()
    while #active < at_once and next_number <= rounds do
      table.insert(active, start(next_number, client))
      next_number = next_number + 1
    end
    asked = asked + 1
    for index = #active, 1, -1 do
      local round = active[index]
      step(round)
      if round.failure then settle(round) table.remove(active, index)
      elseif round.outcome then
        -- A change that is under way when the run ends must arrive, too.
        round.rest = (round.rest or 0) + 1
        if round.rest > 60 then settle(round) table.remove(active, index) end
      elseif round.run and asked % 20 == 0 then
        over(client, round, function(row) round.outcome, round.reason = row.outcome, row.reason end)
      end
    end
    return #active == 0 and next_number > rounds
  end, 10), 'the rounds did not end')
end

local ok, failure = pcall(run)
finish(not ok and tostring(failure) or nil)
