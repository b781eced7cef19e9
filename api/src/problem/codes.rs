//! Every way to say no, once. The `code` is stable: programs rely on it.

/// One kind of problem.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// HTTP status.
    pub(crate) status: u16,
    /// Stable name.
    pub(crate) code: &'static str,
    /// Short and the same every time; the detail of an answer says more.
    pub(crate) title: &'static str,
}

macro_rules! codes {
    ($($name:ident = $status:literal $code:literal $title:literal;)*) => {
        $(pub(crate) const $name: Code = Code { status: $status, code: $code, title: $title };)*

        /// Every code.
        #[cfg(test)]
        pub(crate) const ALL: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    BAD_JSON = 400 "bad_json" "The body is not the JSON that is expected";
    BAD_QUERY = 400 "bad_query" "A query parameter is wrong";
    BAD_MULTIPART = 400 "bad_multipart" "The form is malformed";
    MISSING_FILE = 400 "missing_file" "There is no file";
    EMPTY_FILE = 400 "empty_file" "The file is empty";
    UNFINISHED_BODY = 400 "unfinished_body" "The body ended early";
    NOT_SIGNED_IN = 401 "not_signed_in" "Sign in first";
    WRONG_CREDENTIALS = 401 "wrong_credentials" "Wrong e-mail address or password";
    OPERATORS_ONLY = 403 "operators_only" "For operators only";
    SIGNUP_CLOSED = 403 "signup_closed" "Nobody can sign up here";
    CROSS_SITE = 403 "cross_site" "Asked for by another site";
    NOT_FOUND = 404 "not_found" "Not found";
    METHOD_NOT_ALLOWED = 405 "method_not_allowed" "Method not allowed";
    UPLOAD_TOO_SLOW = 408 "upload_too_slow" "The upload was too slow";
    EMAIL_TAKEN = 409 "email_taken" "The address has an account";
    ALREADY_FINISHED = 409 "already_finished" "Already finished";
    NOT_DEAD = 409 "not_dead" "The job is not dead";
    LINK_USED = 410 "link_used" "The link is used or too old";
    TOO_LARGE = 413 "too_large" "Too large";
    UNSUPPORTED_MEDIA_TYPE = 415 "unsupported_media_type" "Unsupported media type";
    BAD_RANGE = 416 "bad_range" "The range is outside of the file";
    WEAK_PASSWORD = 422 "weak_password" "The password will not do";
    BAD_EMAIL = 422 "bad_email" "Not an e-mail address";
    UNKNOWN_PROFILE = 422 "unknown_profile" "Unknown profile";
    UNKNOWN_PRIORITY = 422 "unknown_priority" "Unknown priority";
    BAD_TITLE = 422 "bad_title" "The title will not do";
    BAD_IDEMPOTENCY_KEY = 422 "bad_idempotency_key" "Not an idempotency key";
    IDEMPOTENCY_KEY_REUSED = 422 "idempotency_key_reused" "The key was used for another upload";
    QUOTA_EXCEEDED = 429 "quota_exceeded" "Too many unfinished videos";
    TOO_MANY_UPLOADS = 429 "too_many_uploads" "Too many uploads at once";
    TOO_MANY_STREAMS = 429 "too_many_streams" "Too many event streams at once";
    TOO_MANY_LOGINS = 429 "too_many_logins" "Too many sign-ins";
    INTERNAL = 500 "internal" "Something went wrong here";
    BUSY = 503 "busy" "Too busy or away for a moment";
    NOT_READY = 503 "not_ready" "Not ready";
    DISK_FULL = 507 "disk_full" "No space left";
}
