//! What a run of the fuzzer counts, and the line that it prints.

use std::collections::BTreeMap;
use std::time::Duration;

/// Bytes of a failing case that are printed.
const HEX: usize = 4_096;

/// Cases of one target.
#[derive(Default)]
struct Counts {
    cases: u64,
    understood: u64,
    time: Duration,
    /// The longest case and its number.
    longest: (Duration, u64),
}

/// Cases of all targets.
#[derive(Default)]
pub struct Tally {
    targets: BTreeMap<&'static str, Counts>,
    bytes: u64,
    longest: Duration,
}

impl Tally {
    pub fn count(&mut self, target: &'static str, case: u64, bytes: usize, understood: bool, time: Duration) {
        let counts = self.targets.entry(target).or_default();
        counts.cases += 1;
        counts.understood += u64::from(understood);
        counts.time += time;
        counts.longest = counts.longest.max((time, case));
        self.bytes += bytes as u64;
        self.longest = self.longest.max(time);
    }

    pub fn add(&mut self, other: Tally) {
        for (target, counts) in other.targets {
            let sum = self.targets.entry(target).or_default();
            sum.cases += counts.cases;
            sum.understood += counts.understood;
            sum.time += counts.time;
            sum.longest = sum.longest.max(counts.longest);
        }
        self.bytes += other.bytes;
        self.longest = self.longest.max(other.longest);
    }

    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// One line: cases and how many of them were understood, of each target; the longest case, the peak of memory.
    pub fn line(&self, seed: u64, threads: usize, took: Duration, peak: Option<u64>) -> String {
        let cases: u64 = self.targets.values().map(|counts| counts.cases).sum();
        let of = |(name, counts): (&&str, &Counts)| {
            let share = 100.0 * counts.understood as f64 / counts.cases.max(1) as f64;
            let each = counts.time.as_secs_f64() * 1e6 / counts.cases.max(1) as f64;
            format!("{name} {} ({share:.0} % understood, {each:.1} µs)", counts.cases)
        };
        let targets: Vec<_> = self.targets.iter().map(of).collect();
        let longest = self.targets.iter().max_by_key(|(_, counts)| counts.longest);
        let (name, (time, case)) = longest.map_or(("", Default::default()), |(name, counts)| (*name, counts.longest));
        let seconds = took.as_secs_f64();
        format!(
            "fuzz: {cases} cases, seed {seed}: {}; {} MB, {seconds:.1} s on {threads} threads, {:.0} cases/s, longest \
             {:.2} ms ({name}, case {case}), peak memory {}, no panic, no hang",
            targets.join(", "),
            self.bytes / 1_000_000,
            cases as f64 / seconds,
            time.as_secs_f64() * 1_000.0,
            peak.map_or_else(|| "unknown here".to_owned(), |kib| format!("{:.1} MiB", kib as f64 / 1024.0)),
        )
    }
}

/// A case that failed, as it is printed: `--target` and `--only` bring it back.
pub fn fault(target: &str, case: u64, fault: &str, input: &[u8]) -> String {
    let hex: String = input.iter().take(HEX).map(|byte| format!("{byte:02x}")).collect();
    format!("target {target}, case {case}, {} bytes: {fault}\n{hex}", input.len())
}

/// Largest resident set so far, in KiB; Linux only.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// How long this thread has been on a processor; Linux only.
pub fn on_processor() -> Option<Duration> {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(schedule.split_ascii_whitespace().next()?.parse().ok()?))
}
