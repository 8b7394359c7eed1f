;;; fixing.el --- A project's failing tests, mended in a real Emacs by eglot's commands  -*- lexical-binding: t -*-

(load (expand-file-name "session.el" (file-name-directory load-file-name)) nil nil t)
(setq probe-seconds 90)

(defconst probe-tests (getenv "PROBE_TESTS"))
(defconst probe-failing (string-to-number (getenv "PROBE_FAILING")))
(defconst probe-code (split-string (getenv "PROBE_CODE") ":"))

(defun probe-shown (buffer)
  (with-current-buffer buffer (buffer-string)))

(defun probe-on-disk (name)
  (with-temp-buffer
    (insert-file-contents (expand-file-name name probe-root))
    (buffer-string)))

(defun probe-failing-lines (buffer)
  "The lines of the findings that BUFFER shows."
  (with-current-buffer buffer
    (flymake-start)
    (mapcar (lambda (d) (line-number-at-pos (flymake-diagnostic-beg d))) (flymake-diagnostics))))

(defun probe-code-shown ()
  "The texts of the code: the first file is open, the others are not."
  (cons (probe-shown (probe-open (car probe-code))) (mapcar #'probe-on-disk (cdr probe-code))))

(defun probe-fix (tests)
  "The command that docs/editors.md has for a whole project, or for the file of TESTS."
  (let ((target (if (string-empty-p (getenv "PROBE_TARGET"))
                    []
                  (vector (list :uri (eglot--path-to-uri (buffer-file-name tests)))))))
    (jsonrpc-async-request (eglot-current-server) :workspace/executeCommand
                           `(:command "mlCoach.fix" :arguments ,target) :success-fn #'ignore)))

(defun probe-run ()
  (let ((tests (find-file-noselect (expand-file-name probe-tests probe-root)))
        before lines fixed)
    (with-current-buffer tests
      (call-interactively #'eglot)
      (probe-wait "attached" #'eglot-current-server)
      (setq before (probe-code-shown))
      (probe-fix tests))
    (probe-wait "findings"
                (lambda () (= probe-failing (length (setq lines (probe-failing-lines tests))))))
    (probe-wait "word of a patch" (lambda () (probe-told "waits for you")))
    ;; The quick fix at a test that fails.
    (with-current-buffer tests
      (goto-char (point-min))
      (forward-line (1- (car lines)))
      (probe-action "Apply ML Coach patch"))
    (probe-wait "the end" (lambda () (probe-told (getenv "PROBE_TOLD"))))
    (setq fixed (probe-code-shown))
    (with-current-buffer (probe-open (car probe-code)) (probe-action "Undo ML Coach run"))
    (probe-wait "the old code" (lambda () (equal before (probe-code-shown))))
    (list :lines (vconcat lines) :fixed (vconcat fixed))))

(probe-report #'probe-run)
