;;; fixing.el --- A project's failing tests, mended in a real Emacs by eglot's commands  -*- lexical-binding: t -*-

(load (expand-file-name "session.el" (file-name-directory load-file-name)) nil nil t)
(setq probe-seconds 90)

(defconst probe-tests "tests/test_prices.py")
(defconst probe-prices "src/shop/prices.py")
(defconst probe-rates "src/shop/rates.py")

(defun probe-shown (buffer)
  (with-current-buffer buffer (buffer-string)))

(defun probe-on-disk (name)
  (with-temp-buffer
    (insert-file-contents (expand-file-name name probe-root))
    (buffer-string)))

(defun probe-failing (buffer)
  "The lines of the findings that BUFFER shows."
  (with-current-buffer buffer
    (flymake-start)
    (mapcar (lambda (d) (line-number-at-pos (flymake-diagnostic-beg d))) (flymake-diagnostics))))

(defun probe-run ()
  (let ((tests (find-file-noselect (expand-file-name probe-tests probe-root)))
        prices before lines fixed)
    (with-current-buffer tests
      (call-interactively #'eglot)
      (probe-wait "attached" #'eglot-current-server)
      (setq prices (probe-open probe-prices))
      (setq before (list (probe-shown prices) (probe-on-disk probe-rates)))
      ;; The command that docs/editors.md has for a whole project.
      (jsonrpc-async-request (eglot-current-server) :workspace/executeCommand
                             '(:command "mlCoach.fix" :arguments []) :success-fn #'ignore))
    (probe-wait "findings" (lambda () (= 2 (length (setq lines (probe-failing tests))))))
    (probe-wait "word of a patch" (lambda () (probe-told "waits for you")))
    ;; The quick fix at a test that fails, over a file that is open and one that is not.
    (with-current-buffer tests
      (goto-char (point-min))
      (forward-line (1- (car lines)))
      (probe-action "Apply ML Coach patch"))
    (probe-wait "the end" (lambda () (probe-told "3 of 3 tests pass")))
    (setq fixed (list (probe-shown prices) (probe-on-disk probe-rates)))
    (with-current-buffer prices (probe-action "Undo ML Coach run"))
    (probe-wait "the old code"
                (lambda () (equal before (list (probe-shown prices) (probe-on-disk probe-rates)))))
    (list :lines (vconcat lines) :fixed (vconcat fixed))))

(probe-report #'probe-run)
