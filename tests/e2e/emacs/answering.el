;;; answering.el --- A run's question in a real Emacs, answered by a code action  -*- lexical-binding: t -*-

(load (expand-file-name "session.el" (file-name-directory load-file-name)) nil nil t)
(setq probe-seconds 90)

(defun probe-text (name)
  "What stands in the file NAME, which no buffer shows: this eglot gets new files on disk."
  (let ((file (expand-file-name name probe-root)))
    (if (file-exists-p file)
        (with-temp-buffer (insert-file-contents file) (buffer-string))
      "")))

(defun probe-run ()
  (probe-begin)
  (let ((told (probe-wait "the question"
                          (lambda () (probe-told "Choose the answer among the code actions")))))
    (with-current-buffer (probe-open "generated_code.py")
      (goto-char (point-min))
      (probe-action "Answer ML Coach: slugify('A B_c') gives 'a-b-c'"))
    (probe-wait "the confirmed test"
                (lambda () (string-match-p "test_confirmed_1" (probe-text "test_generated.py"))))
    (list :told told :tests (probe-text "test_generated.py"))))

(probe-report #'probe-run)
