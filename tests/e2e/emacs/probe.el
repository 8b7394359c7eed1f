;;; probe.el --- The loop in a real Emacs, by eglot's own commands  -*- lexical-binding: t -*-

(load (expand-file-name "session.el" (file-name-directory load-file-name)) nil nil t)

(defun probe-text (name)
  "What the user sees of the file NAME."
  (let* ((file (expand-file-name name probe-root))
         (buffer (find-buffer-visiting file)))
    (cond (buffer (with-current-buffer buffer (buffer-string)))
          ((file-exists-p file)
           (with-temp-buffer (insert-file-contents file) (buffer-string))))))

(defun probe-findings (buffer)
  (with-current-buffer buffer
    (mapcar (lambda (d) (flymake-diagnostic-text d)) (flymake-diagnostics))))

(defun probe-run ()
  (probe-begin)
  (probe-wait "the program" (lambda () (probe-text "generated_code.py")))
  (probe-wait "the tests" (lambda () (probe-text "test_generated.py")))
  (let* ((program (probe-open "generated_code.py"))
         (tests (probe-open "test_generated.py"))
         (written (list (probe-text "generated_code.py") (probe-text "test_generated.py")))
         found)
    (probe-wait "a finding" (lambda ()
                              (with-current-buffer tests (flymake-start))
                              (setq found (probe-findings tests))))
    (with-current-buffer program
      (goto-char (point-min))
      (probe-wait "word of the beginning, of both files and of the patch"
                  (lambda ()
                    (seq-every-p #'probe-told
                                 '("To stop it, choose" "generated_code.py was written to disk"
                                   "test_generated.py was written to disk" "waits for you"))))
      (probe-wait "the patch"
                  (lambda ()
                    (condition-case nil (progn (probe-action "Apply ML Coach patch") t)
                      (error nil)))))
    (probe-wait "the repair"
                (lambda () (equal (probe-text "generated_code.py") (getenv "PROBE_RIGHT"))))
    (probe-wait "the end" (lambda () (probe-told "tests? pass")))
    (with-current-buffer program (probe-action "Undo ML Coach run"))
    (probe-wait "nothing left"
                (lambda ()
                  (not (file-exists-p (expand-file-name "generated_code.py" probe-root)))))
    (list :program (nth 0 written) :tests (nth 1 written) :found (vconcat found))))

(probe-report #'probe-run)
