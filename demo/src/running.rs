//! Starts the demo and stops it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::connection::{Gate, MAX_CONNECTIONS};
use crate::crm::Crm;
use crate::http::{self, Site};
use crate::{Error, Options, User, driver};

/// How long the connections may take to send what is left and to close.
const GRACE: Duration = Duration::from_secs(2);

/// A demo that serves.
#[derive(Debug)]
pub struct Running {
    /// Where it listens; the port is the real one when 0 was asked for.
    pub addr: SocketAddr,
    stop: watch::Sender<bool>,
    /// All of it is free again when the last connection is gone.
    room: Arc<Semaphore>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts to serve, on the runtime that it is called from.
///
/// # Errors
/// [`Error::NotBuilt`] without the phone's files, [`Error::NotLoopback`] for an address that others could reach,
/// [`Error::Listen`] when the port is taken, [`Error::User`] for a name that cannot stand in a SIP message, [`Error::Database`] when the CRM's
/// file is none.
pub async fn start(options: Options) -> Result<Running, Error> {
    let Options { listen, dist, extra, users, agents, database } = options;
    if !listen.ip().is_loopback() {
        return Err(Error::NotLoopback { listen });
    }
    if !dist.join("soft-phone.js").is_file() {
        return Err(Error::NotBuilt { dist });
    }
    let listener = TcpListener::bind(listen).await.map_err(|source| Error::Listen { listen, source })?;
    let addr = listener.local_addr().map_err(|source| Error::Listen { listen, source })?;

    let (stop, stopped) = watch::channel(false);
    let crm = Crm::open(agents.clone(), database.as_deref()).await?;
    let phones = agents.into_iter().filter(|agent| agent.has_phone).map(|agent| agent.user);
    let registrars: Vec<User> = users.iter().cloned().chain(phones).collect();
    let (handle, driver) = driver::start(&registrars, addr.ip(), stopped.clone())?;
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let site = Arc::new(Site { users, gate: Gate::new(handle, room.clone()) });
    let router = http::router(site, crm, dist, extra);
    let server = tokio::spawn(async move {
        let serving = axum::serve(listener, router).with_graceful_shutdown(until(stopped));
        // `serve` gives no error: it waits and tries again when `accept` fails.
        let _ = serving.await;
    });
    Ok(Running { addr, stop, room, tasks: vec![driver, server] })
}

impl Running {
    /// Closes every connection, ends every echo call, and waits until all of it is gone.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            // An error here says that the task was already gone.
            let _ = task.await;
        }
        // A phone that does not read its last message is left behind.
        let _ = timeout(GRACE, self.room.acquire_many(MAX_CONNECTIONS as u32)).await;
    }
}

/// Waits until the demo is told to stop.
pub(crate) async fn until(mut stopped: watch::Receiver<bool>) {
    // An error says that the `Running` was dropped without a shutdown, which stops the demo too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
