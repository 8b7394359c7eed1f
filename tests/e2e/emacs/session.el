;;; session.el --- What the probes in a real Emacs share: set-up, waits, code actions, the report  -*- lexical-binding: t -*-
;; Batch Emacs has no keyboard, so nothing here waits for one.

(require 'eglot)
(require 'json)

(defvar probe-root (file-name-as-directory (getenv "PROBE_ROOT")))
(defvar probe-seconds 20 "How long a probe waits for one thing.")
(defvar probe-steps nil)
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
  "Until CONDITION gives something, or `probe-seconds' are over."
  (let ((end (+ (float-time) probe-seconds)) value)
    (while (and (not (setq value (funcall condition))) (< (float-time) end))
      (accept-process-output nil 0.05)
      ;; What eglot's idle timer does; batch Emacs is never idle.
      (dolist (buffer (buffer-list))
        (with-current-buffer buffer
          (when (eglot-managed-p) (eglot--signal-textDocument/didChange)))))
    (unless value (error "Waited in vain for %s" what))
    (push what probe-steps)
    value))

(defun probe-told (pattern)
  "The message that matches PATTERN, nil where there is none."
  (seq-find (lambda (message) (string-match-p pattern message)) probe-messages))

(defun probe-action (title)
  "Run the code action whose title starts with TITLE, as `eglot-code-actions' would."
  (cl-letf (((symbol-function 'completing-read)
             (lambda (_prompt actions &rest _)
               (let ((names (mapcar (lambda (a) (if (consp a) (car a) a)) actions)))
                 (or (seq-find (lambda (name) (string-prefix-p title name)) names)
                     (error "No action %s among %s" title names))))))
    ;; Not a mouse click, which eglot would answer with a menu.
    (let ((last-nonmenu-event ?a)) (call-interactively #'eglot-code-actions))))

(defun probe-begin ()
  "Connect to the server and ask for the program that notes.py describes."
  (with-current-buffer (find-file-noselect (expand-file-name "notes.py" probe-root))
    (call-interactively #'eglot)
    (probe-wait "attached" #'eglot-current-server)
    (goto-char (point-min))
    (probe-action "Generate with ML Coach")))

(defun probe-open (name)
  "The buffer of the file NAME, which eglot manages from now on."
  (let ((buffer (find-file-noselect (expand-file-name name probe-root))))
    (with-current-buffer buffer
      (unless (eglot-managed-p) (eglot--maybe-activate-editing-mode)))
    buffer))

(defun probe-report (run)
  "Write what RUN gives, or how it failed, to PROBE_REPORT; end Emacs."
  (let ((report (condition-case failure (funcall run)
                  (error (list :failure (error-message-string failure)
                               :messages (vconcat probe-messages))))))
    (setq report (append report (list :steps (vconcat (reverse probe-steps)))))
    (with-temp-file (getenv "PROBE_REPORT") (insert (json-encode report)))
    (let ((kill-buffer-query-functions nil))
      (dolist (buffer (buffer-list))
        (with-current-buffer buffer (set-buffer-modified-p nil))))
    (kill-emacs 0)))
