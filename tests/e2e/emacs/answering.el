;;; answering.el --- A run's question in a real Emacs, answered by a code action  -*- lexical-binding: t -*-
;; Batch Emacs has no keyboard, so nothing here waits for one.

(require 'eglot)
(require 'json)

(defvar probe-root (file-name-as-directory (getenv "PROBE_ROOT")))
(defvar probe-messages nil)

;; The set-up of docs/editors.md.
(load (getenv "PROBE_SETUP") nil nil t)

(setq eglot-autoshutdown t
      eglot-sync-connect 90
      eglot-send-changes-idle-time 0.1)

(advice-add 'message :before
            (lambda (format &rest arguments)
              (when format (push (apply #'format format arguments) probe-messages))))

(defun probe-wait (what condition)
  "Until CONDITION gives something, or ninety seconds are over."
  (let ((end (+ (float-time) 90)) value)
    (while (and (not (setq value (funcall condition))) (< (float-time) end))
      (accept-process-output nil 0.05)
      ;; What eglot's idle timer does; batch Emacs is never idle.
      (dolist (buffer (buffer-list))
        (with-current-buffer buffer
          (when (eglot-managed-p) (eglot--signal-textDocument/didChange)))))
    (or value (error "Waited in vain for %s" what))))

(defun probe-text (name)
  "What stands in the file NAME, which no buffer shows: this eglot gets new files on disk."
  (let ((file (expand-file-name name probe-root)))
    (if (file-exists-p file)
        (with-temp-buffer (insert-file-contents file) (buffer-string))
      "")))

(defun probe-action (title)
  "Run the code action whose title starts with TITLE, as `eglot-code-actions' would."
  (cl-letf (((symbol-function 'completing-read)
             (lambda (_prompt actions &rest _)
               (let ((names (mapcar (lambda (a) (if (consp a) (car a) a)) actions)))
                 (or (seq-find (lambda (name) (string-prefix-p title name)) names)
                     (error "No action %s among %s" title names))))))
    ;; Not a mouse click, which eglot would answer with a menu.
    (let ((last-nonmenu-event ?a)) (call-interactively #'eglot-code-actions))))

(defun probe-told (text)
  (seq-find (lambda (message) (string-match-p (regexp-quote text) message)) probe-messages))

(defun probe-run ()
  (let (program told)
    (with-current-buffer (find-file-noselect (expand-file-name "notes.py" probe-root))
      (call-interactively #'eglot)
      (probe-wait "attached" #'eglot-current-server)
      (goto-char (point-min))
      (probe-action "Generate with ML Coach"))
    (setq told (probe-wait "the question"
                           (lambda () (probe-told "Choose the answer among the code actions"))))
    (setq program (find-file-noselect (expand-file-name "generated_code.py" probe-root)))
    (with-current-buffer program
      (unless (eglot-managed-p) (eglot--maybe-activate-editing-mode))
      (goto-char (point-min))
      (probe-action "Answer ML Coach: slugify('A B_c') gives 'a-b-c'"))
    (probe-wait "the confirmed test"
                (lambda () (string-match-p "test_confirmed_1" (probe-text "test_generated.py"))))
    (list :told told :tests (probe-text "test_generated.py"))))

(let ((report (condition-case failure (probe-run)
                (error (list :failure (error-message-string failure)
                             :messages (vconcat probe-messages))))))
  (with-temp-file (getenv "PROBE_REPORT") (insert (json-encode report)))
  (let ((kill-buffer-query-functions nil))
    (dolist (buffer (buffer-list))
      (with-current-buffer buffer (set-buffer-modified-p nil))))
  (kill-emacs 0))
