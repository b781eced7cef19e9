//! One campaign from the first job to the verdict.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use reelfleet_e2e::{clips, deployed::ends_of_logs, pause, wait_for};

use crate::{
    load::{self, Allowance},
    now_ms,
    plan::{self, Fault, Size},
    report::{Kill, Report},
    stage::{APIS, Backend, Stage, WORKERS},
};

/// How long everything may take to end once nothing goes wrong any more. A message that its
/// broker lost is looked for after a minute, and a job whose worker was lost six times waits for a
/// quarter of an hour.
const HEAL: Duration = Duration::from_secs(1200);

/// How long the load that is there may do before more is sent for a fault to meet.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often one more worker is stopped where none of those before became a zombie.
const AGAIN: u32 = 10;

pub(crate) fn campaign(backend: Backend, seed: u64, size: &Size) -> Report {
    let began = Instant::now();
    let mut stage = Stage::set(backend);
    let clip = clips::short(stage.folder.path());
    let servers = (stage.broker.is_some(), stage.postgres.is_some());
    let steps = plan::steps(size, seed, (WORKERS, APIS), servers);
    let allowed = Arc::new(Allowance::default());
    let sending = std::thread::spawn({
        let (clients, allowed) = (stage.clients.clone(), Arc::clone(&allowed));
        let noops = size.noops;
        move || load::send(&clients, &clip, seed, noops, &allowed)
    });
    let mut report = Report::new(backend, seed);
    let mut kills = Vec::new();
    let mut freezes = 0;
    for (nth, step) in (1..).zip(&steps) {
        // Work comes as the faults do, so that there is some under each.
        let share = |all: u64| all * nth / steps.len() as u64;
        allowed.noops.store(share(size.noops), Ordering::SeqCst);
        // To each that stands still a video, to have something in hand.
        freezes += u64::from(matches!(step.fault, Fault::Freeze(_)));
        allowed.videos.store(share(size.videos) + freezes, Ordering::SeqCst);
        let until = Instant::now() + Duration::from_millis(step.after_ms);
        while Instant::now() < until {
            stage.look_after();
            pause();
        }
        strike(&mut stage, step.fault, &allowed, (&mut report, &mut kills));
    }
    for again in 0.. {
        while stage.anybody_sleeps() {
            stage.look_after();
            pause();
        }
        if stage.zombies.woke > 0 || again == AGAIN {
            break;
        }
        // All stood still with a lock, and kept their jobs.
        strike(&mut stage, Fault::Freeze(0), &allowed, (&mut report, &mut kills));
    }
    allowed.no_more.store(true, Ordering::SeqCst);
    while !sending.is_finished() {
        stage.look_after();
        pause();
    }
    let sent = sending.join().unwrap();
    report.zombies = stage.zombies.woke;
    let unfinished = "SELECT count(*) FROM jobs WHERE state NOT IN ('done', 'dead', 'cancelled')";
    let until = Instant::now() + HEAL;
    while stage.store.count(unfinished) > 0 && Instant::now() < until {
        stage.look_after();
        pause();
    }
    report.seconds = began.elapsed().as_secs_f64().round();
    report.cut_connections = stage.cut.done();
    report.judge(&stage, &sent, &kills);
    stage.store.assert_whole();
    if report.lost > 0 {
        println!("{}", ends_of_logs(stage.folder.path()));
    }
    for role in stage.workers.iter_mut().chain(&mut stage.apis) {
        role.leave();
    }
    println!("{}", report.json());
    report
}

fn strike(
    stage: &mut Stage,
    fault: Fault,
    allowed: &Allowance,
    (report, kills): (&mut Report, &mut Vec<Kill>),
) {
    match fault {
        Fault::KillWorker(which) => {
            let which = wait_for("a worker that is awake", Duration::from_secs(60), || {
                stage.look_after();
                stage.awake(which, |_| true)
            });
            let worker = &mut stage.workers[which];
            kills.push(Kill { worker: worker.run.id.clone(), at_ms: now_ms() });
            worker.kill();
            report.kills += 1;
        }
        Fault::KillApi(which) => {
            stage.apis[which].kill();
            report.kills += 1;
        }
        Fault::Freeze(which) => {
            let mut patient_until = Instant::now() + PATIENCE;
            wait_for("a worker that has a job in hand", Duration::from_secs(60), || {
                stage.look_after();
                if Instant::now() > patient_until {
                    // The last one was over before anybody saw it under way.
                    allowed.further.fetch_add(1, Ordering::SeqCst);
                    patient_until = Instant::now() + PATIENCE;
                }
                stage.freeze(which).then_some(())
            });
        }
        Fault::RestartBroker => {
            stage.restart_broker();
            report.broker_restarts += 1;
        }
        Fault::RestartDatabase => {
            stage.restart_database();
            report.database_restarts += 1;
        }
        Fault::Cut => {
            let before = stage.cut.done();
            stage.cut.arm();
            // It takes somebody who asks for something.
            let patient_until = Instant::now() + PATIENCE;
            wait_for("a connection to be cut", Duration::from_secs(60), || {
                stage.look_after();
                allowed.noops.fetch_add(1, Ordering::SeqCst);
                if Instant::now() > patient_until {
                    // All was sent: then it is a question that gets no answer.
                    let _ = stage.clients[0].call("GET", "/api/auth/me");
                }
                (stage.cut.done() > before).then_some(())
            });
        }
    }
}
