;;; probe.el --- The loop in a real Emacs, by eglot's own commands  -*- lexical-binding: t -*-
;; Batch Emacs has no keyboard, so nothing here waits for one.

(require 'eglot)
(require 'json)

(defvar probe-root (file-name-as-directory (getenv "PROBE_ROOT")))
(defvar probe-steps nil)
(defvar probe-messages nil)

;; The set-up of docs/editors.md.
(load (getenv "PROBE_SETUP") nil nil t)

(setq eglot-autoshutdown t
      eglot-sync-connect 30
      eglot-send-changes-idle-time 0.1)

(advice-add 'message :before
            (lambda (format &rest arguments)
              (when format (push (apply #'format format arguments) probe-messages))))

(defun probe-wait (what condition)
  "Until CONDITION gives something, or twenty seconds are over."
  (let ((end (+ (float-time) 20)) value)
    (while (and (not (setq value (funcall condition))) (< (float-time) end))
      (accept-process-output nil 0.05)
      ;; What eglot's idle timer does; batch Emacs is never idle.
      (dolist (buffer (buffer-list))
        (with-current-buffer buffer
          (when (eglot-managed-p) (eglot--signal-textDocument/didChange)))))
    (unless value (error "Waited in vain for %s" what))
    (push what probe-steps)
    value))

(defun probe-text (name)
  "What the user sees of the file NAME."
  (let* ((file (expand-file-name name probe-root))
         (buffer (find-buffer-visiting file)))
    (cond (buffer (with-current-buffer buffer (buffer-string)))
          ((file-exists-p file)
           (with-temp-buffer (insert-file-contents file) (buffer-string))))))

(defun probe-action (title)
  "Run the code action whose title starts with TITLE, as `eglot-code-actions' would."
  (cl-letf (((symbol-function 'completing-read)
             (lambda (_prompt actions &rest _)
               (let ((names (mapcar (lambda (a) (if (consp a) (car a) a)) actions)))
                 (or (seq-find (lambda (name) (string-prefix-p title name)) names)
                     (error "No action %s among %s" title names))))))
    ;; Not a mouse click, which eglot would answer with a menu.
    (let ((last-nonmenu-event ?a)) (call-interactively #'eglot-code-actions))))

(defun probe-findings (buffer)
  (with-current-buffer buffer
    (mapcar (lambda (d) (flymake-diagnostic-text d)) (flymake-diagnostics))))

(defun probe-run ()
  (let ((notes (find-file-noselect (expand-file-name "notes.py" probe-root)))
        program tests found)
    (with-current-buffer notes
      (call-interactively #'eglot)
      (probe-wait "attached" #'eglot-current-server)
      (goto-char (point-min))
      (probe-action "Generate with ML Coach"))
    (probe-wait "the program" (lambda () (probe-text "generated_code.py")))
    (probe-wait "the tests" (lambda () (probe-text "test_generated.py")))
    (setq program (find-file-noselect (expand-file-name "generated_code.py" probe-root))
          tests (find-file-noselect (expand-file-name "test_generated.py" probe-root)))
    (dolist (buffer (list program tests))
      (with-current-buffer buffer
        (unless (eglot-managed-p) (eglot--maybe-activate-editing-mode))))
    (let ((written (list (probe-text "generated_code.py") (probe-text "test_generated.py"))))
      (probe-wait "a finding" (lambda ()
                                (with-current-buffer tests (flymake-start))
                                (setq found (probe-findings tests))))
      (with-current-buffer program
        (goto-char (point-min))
        (probe-wait "word of the beginning, of both files and of the patch"
                    (lambda ()
                      (seq-every-p (lambda (text)
                                     (seq-find (lambda (m) (string-match-p text m)) probe-messages))
                                   '("To stop it, choose" "generated_code.py was written to disk"
                                     "test_generated.py was written to disk" "waits for you"))))
        (probe-wait "the patch"
                    (lambda ()
                      (condition-case nil (progn (probe-action "Apply ML Coach patch") t)
                        (error nil)))))
      (probe-wait "the repair"
                  (lambda () (equal (probe-text "generated_code.py") (getenv "PROBE_RIGHT"))))
      (probe-wait "the end"
                  (lambda () (seq-find (lambda (m) (string-match-p "tests? pass" m))
                                       probe-messages)))
      (with-current-buffer program (probe-action "Undo ML Coach run"))
      (probe-wait "nothing left"
                  (lambda ()
                    (not (file-exists-p (expand-file-name "generated_code.py" probe-root)))))
      (list :program (nth 0 written) :tests (nth 1 written) :found (vconcat found)))))

(let ((report (condition-case failure (probe-run)
                (error (list :failure (error-message-string failure)
                             :messages (vconcat probe-messages))))))
  (setq report (append report (list :steps (vconcat (reverse probe-steps)))))
  (with-temp-file (getenv "PROBE_REPORT") (insert (json-encode report)))
  (let ((kill-buffer-query-functions nil))
    (dolist (buffer (buffer-list))
      (with-current-buffer buffer (set-buffer-modified-p nil))))
  (kill-emacs 0))
