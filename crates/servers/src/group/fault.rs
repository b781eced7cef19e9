//! What can go wrong with the fakes.

use std::time::Duration;

/// What goes wrong with a call of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `Throttling`, 400.
    Throttled,
    /// `InternalFailure`, 500, and nothing is done.
    ServerError,
    /// `InternalFailure`, 500, and it is done all the same.
    AnswerLost,
    /// `AccessDenied`, 403: the role of the instance may not.
    Denied,
    /// It is accepted and never answered, and nothing is done.
    Silent,
    /// It is answered after so long.
    Slow(Duration),
}

/// What is wrong with a metadata service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataFault {
    /// Connections are closed at once.
    Down,
    /// Every look is answered with 401, whatever its token.
    Unauthorized,
    /// No token is given: 403, as where the service is turned off.
    NoToken,
    /// 500.
    ServerError,
    /// Connections are accepted and never answered, as where the hop limit is too low.
    Silent,
    /// Every answer takes so long.
    Slow(Duration),
    /// Answers are no words of the service.
    Garbled,
}
