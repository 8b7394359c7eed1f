" What ALE shows of a run: it has no progress, so messages are all that a user sees.
set nocompatible hidden noswapfile nomore
set runtimepath^=/usr/share/vim-ale
filetype plugin on
execute 'source' fnameescape($PROBE_SETUP)
source /usr/share/vim-ale/plugin/ale.vim
let s:shown = []
runtime autoload/ale/util.vim
function! ale#util#ShowMessage(string, ...) abort
  call add(s:shown, a:string)
endfunction

function! s:Got(...) abort
endfunction

function! s:Wait(what, condition) abort
  for _ in range(300)
    if a:condition()
      return
    endif
    sleep 100m
  endfor
  throw 'waited in vain for ' . a:what
endfunction

let s:report = {}
try
  execute 'edit' fnameescape($PROBE_ROOT . '/notes.py')
  " ALE starts the server when it first checks the buffer.
  call ale#Queue(0, 'lint_file')
  sleep 1
  let s:uri = 'file://' . $PROBE_ROOT . '/notes.py'
  let s:command = ale#lsp#message#ExecuteCommand('mlCoach.generate',
  \ [{'prompt': $PROBE_PROMPT, 'documentUri': s:uri}])
  call ale#lsp_linter#SendRequest(bufnr(''), 'ml_coach', s:command, function('s:Got'))
  call s:Wait('the patch', {-> join(s:shown) =~# 'waits for you'})
catch
  let s:report.failure = v:exception
endtry
let s:report.shown = s:shown
call writefile([json_encode(s:report)], $PROBE_REPORT)
qall!
