;;; typing.el --- Somebody types in a real Emacs while ML Coach writes  -*- lexical-binding: t -*-
;; eglot sends what was typed only when its user pauses: so does this probe, twice a second.

(require 'eglot)
(require 'json)
(require 'cl-lib)

(defvar typing-root (file-name-as-directory (getenv "PROBE_ROOT")))
(defvar typing-rounds (string-to-number (getenv "PROBE_ROUNDS")))
(defvar typing-report nil)
(defvar typing-sent 0.0)
(random (getenv "PROBE_SEED"))

;; The set-up of docs/editors.md.
(load (getenv "PROBE_SETUP") nil nil t)
(setq eglot-sync-connect 30
      make-backup-files nil
      create-lockfiles nil)

(defun typing-tick ()
  "Let the server talk; tell it what was typed as late as eglot's idle timer would."
  (accept-process-output nil 0.02)
  (when (> (- (float-time) typing-sent) 0.5)
    (setq typing-sent (float-time))
    (dolist (buffer (buffer-list))
      (with-current-buffer buffer
        (when (eglot-managed-p) (eglot--signal-textDocument/didChange))))))

(defun typing-wait (what seconds condition)
  (let ((end (+ (float-time) seconds)) value)
    (while (and (not (setq value (funcall condition))) (< (float-time) end))
      (typing-tick))
    (or value (error "Waited in vain for %s" what))))

(defun typing-line (buffer line)
  "Type LINE where a cursor could be."
  (with-current-buffer buffer
    (goto-char (point-min))
    (forward-line (random (1+ (count-lines (point-min) (point-max)))))
    (unless (bolp) (insert "\n"))
    (insert line "\n")))

(defun typing-count (buffer line)
  (with-current-buffer buffer
    (how-many (concat "^" (regexp-quote line) "$") (point-min) (point-max))))

(defun typing-command (server name argument)
  (jsonrpc-request server :workspace/executeCommand
                   `(:command ,name :arguments [,argument]) :timeout 20))

(defun typing-over (server run)
  "The outcome of RUN, nil while it works."
  (let* ((answer (typing-command server "mlCoach.runs" '(:limit 50)))
         (row (seq-find (lambda (row) (equal (plist-get row :runId) run))
                        (plist-get answer :runs))))
    (and row (not (eq t (plist-get row :active))) (plist-get row :outcome))))

(defun typing-round (server number)
  (let* ((file (expand-file-name (format "p%d.py" number) typing-root))
         (run (plist-get
               (typing-command server "mlCoach.generate"
                               `(:prompt ,(getenv "PROBE_PROMPT")
                                 :targetUri ,(eglot--path-to-uri file) :autoPatch t))
               :runId))
         (asked 0.0) buffer typed outcome)
    (typing-wait "the program" 20 (lambda () (file-exists-p file)))
    (setq buffer (find-file-noselect file))
    (with-current-buffer buffer
      (unless (eglot-managed-p) (eglot--maybe-activate-editing-mode)))
    (typing-wait "the end" 60
                 (lambda ()
                   (when (and (< (length typed) 6) (< (random 100) 8))
                     (let ((line (format "# typed %d in round %d" (1+ (length typed)) number)))
                       (typing-line buffer line)
                       (push line typed)))
                   (when (> (- (float-time) asked) 0.3)
                     (setq asked (float-time)
                           outcome (typing-over server run)))
                   outcome))
    (let ((end (+ (float-time) 0.8))) (while (< (float-time) end) (typing-tick)))
    (list :number number :typed (length typed) :outcome outcome
          :lost (vconcat (seq-filter (lambda (l) (= 0 (typing-count buffer l))) typed))
          :doubled (vconcat (seq-filter (lambda (l) (< 1 (typing-count buffer l))) typed))
          :text (with-current-buffer buffer (buffer-string)))))

(defun typing-run ()
  (with-current-buffer (find-file-noselect (expand-file-name "notes.py" typing-root))
    (call-interactively #'eglot)
    (typing-wait "a server" 30 #'eglot-current-server)
    (let ((server (eglot-current-server)))
      (dotimes (number typing-rounds)
        (push (typing-round server (1+ number)) typing-report)))))

(let ((failure (condition-case failure (progn (typing-run) nil)
                 (error (error-message-string failure)))))
  (with-temp-file (getenv "PROBE_REPORT")
    (insert (json-encode (append (when failure (list :failure failure))
                                 (list :rounds (vconcat (reverse typing-report)))))))
  (let ((kill-buffer-query-functions nil))
    (dolist (buffer (buffer-list))
      (with-current-buffer buffer (set-buffer-modified-p nil))))
  (kill-emacs 0))
