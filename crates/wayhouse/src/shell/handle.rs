//! How the rest of the binary talks to the loop that owns the node: bounded channels, nothing shared.

use std::sync::Arc;

use super::counters::ShellCounters;
use tokio::sync::{broadcast, mpsc, oneshot};
use wayhouse_node::face::operator::asking::{GroupAnswer, GroupQuestion};
use wayhouse_node::{Command, Reply};
use wayhouse_registry::{Change, Refusal};

/// Commands that may wait for the loop. Reaction when full: the caller waits.
pub const COMMANDS_MAX: usize = 256;
/// Changes a slow listener may lag behind. Reaction: it is told that it lagged and reads the whole again.
pub const CHANGES_MAX: usize = 4096;

/// Answers of one group that a slow listener may leave waiting. Reaction: further ones are dropped and counted.
pub const GROUP_ANSWERS_MAX: usize = 16_384;

/// A command on its way to the loop.
#[derive(Debug)]
pub struct Operation {
    /// What is asked.
    pub command: Command,
    /// Where the answer goes, once what it acknowledges is on disk.
    pub answer: oneshot::Sender<Result<Reply, Refusal>>,
    /// For a question to a group: where what its members say goes.
    pub group_answers: Option<mpsc::Sender<GroupAnswer>>,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The registry refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The loop has ended.
    #[error("the daemon is shutting down")]
    Stopping,
}

/// What the loop tells whoever listens. `Arc`, because many listeners share it.
pub type LiveChange = Arc<Change>;

/// The door to the loop; cheap to clone.
#[derive(Debug, Clone)]
pub struct NodeHandle {
    operations: mpsc::Sender<Operation>,
    changes: broadcast::Sender<LiveChange>,
    shell: Arc<ShellCounters>,
}

impl NodeHandle {
    /// A handle, and the loop's ends: operations to do, changes to tell.
    pub fn new() -> (NodeHandle, mpsc::Receiver<Operation>, broadcast::Sender<LiveChange>) {
        let (operations, operations_in) = mpsc::channel(COMMANDS_MAX);
        let (changes, _) = broadcast::channel(CHANGES_MAX);
        (NodeHandle { operations, changes: changes.clone(), shell: Arc::default() }, operations_in, changes)
    }
    /// Asks the node; answers when what the answer acknowledges is durable.
    ///
    /// # Errors
    /// See [`OperationError`].
    pub async fn ask(&self, command: Command) -> Result<Reply, OperationError> {
        self.send(command, None).await
    }
    /// Asks a group through the node. What its members answer arrives in the channel; the last one says that there will be no
    /// more. Whoever drops the channel need not stop the question: the loop does, when it next has something to say.
    ///
    /// # Errors
    /// See [`OperationError`].
    pub async fn ask_group(&self, question: GroupQuestion) -> Result<mpsc::Receiver<GroupAnswer>, OperationError> {
        let (answers, answers_in) = mpsc::channel(GROUP_ANSWERS_MAX);
        self.send(Command::AskGroup(question), Some(answers)).await?;
        Ok(answers_in)
    }
    async fn send(
        &self,
        command: Command,
        group_answers: Option<mpsc::Sender<GroupAnswer>>,
    ) -> Result<Reply, OperationError> {
        let (answer, answer_in) = oneshot::channel();
        let operation = Operation { command, answer, group_answers };
        self.operations.send(operation).await.map_err(|_| OperationError::Stopping)?;
        Ok(answer_in.await.map_err(|_| OperationError::Stopping)??)
    }
    /// Follows the changes from here on.
    pub fn subscribe(&self) -> broadcast::Receiver<LiveChange> {
        self.changes.subscribe()
    }
    /// What the shell counts; readable without asking the loop.
    pub fn shell_counters(&self) -> &Arc<ShellCounters> {
        &self.shell
    }
}
