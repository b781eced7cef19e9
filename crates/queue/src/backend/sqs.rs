//! Not written yet.

use std::time::Duration;

use reelfleet_job::{Lane, Message};
use reelfleet_runtime::Shutdown;

use super::{Broker, Receipt};
use crate::{DeadLetter, Delivery, Depth, Error, Sent};

#[derive(Debug, Clone)]
pub(crate) struct Sqs;

#[derive(Debug, Clone)]
pub(super) struct Token;

impl Sqs {
    pub(super) async fn open(_region: Option<&str>, _base_url: &str) -> Result<Self, Error> {
        todo!()
    }
}

impl Broker for Sqs {
    async fn send(&self, _batch: &[(Lane, Message)]) -> Sent {
        todo!()
    }

    async fn receive(
        &self,
        _lanes: &[Lane],
        _limit: u32,
        _at_most: Duration,
        _shutdown: &Shutdown,
    ) -> Result<Vec<Delivery>, Error> {
        todo!()
    }

    async fn ack(&self, _receipts: &[Receipt]) -> Result<(), Error> {
        todo!()
    }

    async fn release(&self, _receipts: &[Receipt]) -> Result<(), Error> {
        todo!()
    }

    async fn bury(&self, _bodies: &[String]) -> Result<(), Error> {
        todo!()
    }

    async fn dead_letters(&self, _limit: u32) -> Result<Vec<DeadLetter>, Error> {
        todo!()
    }

    async fn depth(&self) -> Result<Depth, Error> {
        todo!()
    }
}
