//! What processes used, from `/proc`.

use std::fs;
use std::time::Duration;

/// Linux counts processor time for users in hundredths of a second, on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// Processor time of a process and of its children that have ended; `None` when it is gone or elsewhere.
fn own_and_ended(pid: u32) -> Option<(Duration, Duration)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything; what follows it does not.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u32>().ok();
    let own = TICK * (ticks(11)? + ticks(12)?);
    Some((own, TICK * (ticks(13)? + ticks(14)?)))
}

/// User and system time of a process with all its threads.
pub fn cpu(pid: u32) -> Duration {
    own_and_ended(pid).map_or(Duration::ZERO, |(own, _)| own)
}

/// As [`cpu`], with its children, running or ended: PostgreSQL has one for each connection.
pub fn cpu_of_family(pid: u32) -> Duration {
    let (own, ended) = own_and_ended(pid).unwrap_or_default();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let running: Duration = children.split_whitespace().filter_map(|child| child.parse().ok()).map(cpu).sum();
    own + ended + running
}

/// The most resident memory that a process ever had, in MiB.
pub fn peak_rss_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}

pub fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

pub fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known() {
        let own = std::process::id();
        assert!(peak_rss_mib(own).unwrap() > 0.1);
        assert!(!name(own).is_empty());
        assert_eq!(parent(own), Some(std::os::unix::process::parent_id()));
        let before = cpu_of_family(own);
        let mut sum = 0u64;
        while cpu(own) == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(cpu_of_family(own) > before);
        assert_eq!(cpu(u32::MAX), Duration::ZERO);
    }
}
