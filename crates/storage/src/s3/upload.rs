use std::{fmt, sync::Arc};

use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use sha2::{Digest, Sha256};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use super::{
    S3,
    body::stepwise,
    error::{is_missing, is_taken, unavailable},
    parts::{SMALLEST, encode, part_size},
};
use crate::{Key, Result};

/// Parts of one upload that are on their way at a time.
pub(super) const AT_ONCE: usize = 4;

/// A blob on its way to S3. What fits into one part is kept until it is published; more is sent
/// part by part, by a task that also takes it all back when the upload is dropped.
pub(crate) struct Upload {
    s3: S3,
    key: String,
    part: Vec<u8>,
    /// The part's place in the memory of this process, from its first byte on.
    room: Option<OwnedSemaphorePermit>,
    sum: Sha256,
    /// Parts that were handed over.
    handed: usize,
    bytes: u64,
    sending: Option<Sending>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("key", &self.key).finish_non_exhaustive()
    }
}

struct Sending {
    orders: mpsc::Sender<Order>,
    room: Arc<Semaphore>,
    task: JoinHandle<Result<()>>,
}

enum Order {
    Send(Part),
    Publish,
}

struct Part {
    number: i32,
    bytes: Vec<u8>,
    sum: String,
    /// Given back once the part is sent: its place in memory, then that of one on its way, which
    /// lets the next part begin.
    _room: (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit),
}

impl Upload {
    pub(super) fn new(s3: S3, key: String) -> Self {
        let (part, sum) = (Vec::new(), Sha256::new());
        Self { s3, key, part, room: None, sum, handed: 0, bytes: 0, sending: None }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.part.capacity()
    }

    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let full = part_size(self.handed)
                .ok_or_else(|| unavailable("S3 takes no blob as large as this one".to_owned()))?;
            // A full part waits for the byte after it: the last part must not be empty.
            if self.part.len() == full {
                self.hand_over().await?;
                continue;
            }
            if self.room.is_none() {
                // All of it at once: a part holds no more memory than it has taken room for, and
                // whoever waits for room holds none.
                self.room = Some(self.s3.room_for(full).await?);
                self.part = Vec::with_capacity(full);
            }
            let (now, later) = bytes.split_at(bytes.len().min(full - self.part.len()));
            self.part.extend_from_slice(now);
            self.sum.update(now);
            self.bytes = self.bytes.saturating_add(now.len() as u64);
            bytes = later;
        }
        Ok(())
    }

    pub(crate) async fn publish(mut self) -> Result<()> {
        if self.sending.is_none() {
            let _room = self.room.take();
            return self.s3.put(&self.key, self.part, encode(self.sum)).await;
        }
        self.hand_over().await?;
        self.order(Order::Publish).await?;
        self.end().await
    }

    /// Hands the part over, as soon as not too many of this upload are on their way.
    async fn hand_over(&mut self) -> Result<()> {
        let (bytes, room) = (std::mem::take(&mut self.part), self.room.take());
        let sum = encode(std::mem::take(&mut self.sum));
        let sending = self.sending.get_or_insert_with(|| begin(self.s3.clone(), self.key.clone()));
        let Ok(own) = Arc::clone(&sending.room).acquire_owned().await else {
            return Err(unavailable("no part is sent any more".to_owned()));
        };
        self.handed += 1;
        let number = i32::try_from(self.handed).unwrap_or(i32::MAX);
        self.order(Order::Send(Part { number, bytes, sum, _room: (room, own) })).await
    }

    /// Gives an order. A task that takes none any more has failed.
    async fn order(&mut self, order: Order) -> Result<()> {
        let taken = match &self.sending {
            Some(sending) => sending.orders.send(order).await.is_ok(),
            None => false,
        };
        if taken { Ok(()) } else { self.end().await }
    }

    /// How it ended.
    async fn end(&mut self) -> Result<()> {
        match self.sending.take() {
            Some(Sending { task, orders, .. }) => {
                let ended = task.await;
                drop(orders);
                ended.unwrap_or_else(|panic| Err(unavailable(panic.to_string())))
            }
            None => Err(unavailable("the upload has failed before".to_owned())),
        }
    }
}

fn begin(s3: S3, key: String) -> Sending {
    let (orders, taken) = mpsc::channel(AT_ONCE);
    let task = tokio::spawn(send_all(s3, key, taken));
    Sending { orders, room: Arc::new(Semaphore::new(AT_ONCE)), task }
}

/// Sends the parts and completes the upload. If it fails, or nobody gives orders any more,
/// nothing of it stays.
async fn send_all(s3: S3, key: String, mut orders: mpsc::Receiver<Order>) -> Result<()> {
    let id = s3.create(&key).await?;
    let mut sending = JoinSet::new();
    let sent = collect(&s3, &key, &id, &mut orders, &mut sending).await;
    let published = match sent {
        Ok(parts) => s3.complete(&key, &id, parts).await,
        Err(error) => Err(error),
    };
    if published.is_err() {
        // What arrives after the abort would stay.
        sending.shutdown().await;
        // What cannot be aborted now is found later, as it brings nothing any more.
        let _ = s3.abort(&key, &id).await;
    }
    published
}

/// Every part once it was sent, in order, with the size of them all.
async fn collect(
    s3: &S3,
    key: &str,
    id: &str,
    orders: &mut mpsc::Receiver<Order>,
    sending: &mut JoinSet<Result<Sent>>,
) -> Result<Vec<Sent>> {
    let mut sent = Vec::new();
    let mut all_there = false;
    while !all_there || !sending.is_empty() {
        tokio::select! {
            Some(done) = sending.join_next() => {
                sent.push(done.unwrap_or_else(|panic| Err(unavailable(panic.to_string())))?);
            }
            order = orders.recv(), if !all_there => match order {
                Some(Order::Send(part)) => {
                    let (s3, key, id) = (s3.clone(), key.to_owned(), id.to_owned());
                    sending.spawn(async move { s3.send(&key, &id, part).await });
                }
                Some(Order::Publish) => all_there = true,
                None => return Err(unavailable("the upload was given up".to_owned())),
            },
        }
    }
    sent.sort_unstable_by_key(|sent| sent.part.part_number());
    Ok(sent)
}

struct Sent {
    part: CompletedPart,
    bytes: usize,
}

impl S3 {
    /// Waits for the memory that a part takes.
    async fn room_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let places = u32::try_from(bytes.div_ceil(SMALLEST)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(places);
        match timeout(self.patience.room, room).await {
            Ok(Ok(room)) => Ok(room),
            _ => Err(unavailable("too many other uploads take their time".to_owned())),
        }
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, sum: String) -> Result<()> {
        let time = self.patience.sending(bytes.len());
        let put = self.client.put_object().bucket(&*self.bucket).key(key);
        let put = put.checksum_sha256(sum).body(stepwise(bytes));
        let put = put.customize().config_override(time).send().await;
        put.map(drop).map_err(|error| self.failed(error))
    }

    pub(crate) async fn put_new(&self, key: &Key, text: String) -> Result<()> {
        let sum = encode(Sha256::new_with_prefix(&text));
        let put = self.client.put_object().bucket(&*self.bucket).key(key.to_string());
        let put = put.if_none_match("*").checksum_sha256(sum).body(stepwise(text.into_bytes()));
        match put.send().await {
            Err(error) if !is_taken(&error) => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    pub(super) async fn create(&self, key: &str) -> Result<String> {
        let create = self.client.create_multipart_upload().bucket(&*self.bucket).key(key);
        let created = create.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await;
        let created = created.map_err(|error| self.failed(error))?;
        created.upload_id.ok_or_else(|| unavailable("S3 gave the upload no id".to_owned()))
    }

    async fn send(&self, key: &str, id: &str, part: Part) -> Result<Sent> {
        let Part { number, bytes, sum, _room } = part;
        let (time, len) = (self.patience.sending(bytes.len()), bytes.len());
        let send = self.client.upload_part().bucket(&*self.bucket).key(key).upload_id(id);
        let send = send.part_number(number).checksum_sha256(&sum).body(stepwise(bytes));
        let sent = send.customize().config_override(time).send().await;
        let sent = sent.map_err(|error| self.failed(error))?;
        let part = CompletedPart::builder().part_number(number).checksum_sha256(sum);
        Ok(Sent { part: part.set_e_tag(sent.e_tag).build(), bytes: len })
    }

    async fn complete(&self, key: &str, id: &str, sent: Vec<Sent>) -> Result<()> {
        let bytes = sent.iter().map(|sent| sent.bytes).sum::<usize>();
        let parts = sent.into_iter().map(|sent| sent.part).collect();
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = self.client.complete_multipart_upload().bucket(&*self.bucket).key(key);
        let complete = complete
            .upload_id(id)
            .multipart_upload(parts)
            .set_mpu_object_size(i64::try_from(bytes).ok());
        let completed = complete.customize().config_override(self.patience.completing()).send();
        completed.await.map(drop).map_err(|error| self.failed(error))
    }

    pub(super) async fn abort(&self, key: &str, id: &str) -> Result<()> {
        let abort = self.client.abort_multipart_upload().bucket(&*self.bucket).key(key);
        match abort.upload_id(id).send().await {
            Err(error) if !is_missing(&error) => Err(self.failed(error)),
            _ => Ok(()),
        }
    }
}
