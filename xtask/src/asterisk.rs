//! A real Asterisk in a folder of its own, for the browser tests.
//!
//! Debian's packages of Asterisk are unpacked, not installed: no maintainer script runs, nothing outside the folder is
//! touched, no root is needed. The browser tests run it with `chroot` in namespaces of their own. The mirror is the one
//! that this machine's apt already uses.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;

/// Debian's release that has Asterisk 22.
const SUITE: &str = "forky";
/// Beside it coturn, the TURN server, which would begin to serve the machine if it were installed.
const PACKAGES: [&str; 3] = ["asterisk", "asterisk-core-sounds-en-gsm", "coturn"];

/// What the packages depend on and only maintainer scripts, perl, gpg or an init system would use.
const UNNEEDED: [&str; 33] = [
    "adduser",
    "dbus",
    "debconf",
    "default-mysql",
    "dirmngr",
    "dkms",
    "dpkg",
    "gcc-1",
    "gnupg",
    "gpg",
    "init-system",
    "iptables",
    "libassuan",
    "libc-gconv",
    "libdb5",
    "libgdbm",
    "libgpgme",
    "libksba",
    "libnpth",
    "libpam",
    "libperl",
    "libpython3",
    "libsemanage",
    "login.defs",
    "lsb-",
    "man-db",
    "passwd",
    "perl",
    "pinentry",
    "python3",
    "systemd",
    "sysvinit",
    "tar_",
];

/// Unpacks Asterisk into `root` unless it is there. `work` keeps the package lists and the downloads.
///
/// # Errors
/// When apt knows no Debian mirror, a download fails or a package does not unpack.
pub fn unpack(root: &Path, work: &Path) -> Result<()> {
    if ["usr/sbin/asterisk", "usr/bin/turnserver"].iter().all(|program| root.join(program).is_file()) {
        return Ok(());
    }
    eprintln!("Asterisk: taking Debian {SUITE}'s packages, unpacking them into {}", root.display());
    let apt = Apt::new(work)?;
    process::run(apt.get().args(["-qq", "update"]))?;
    let files = apt.files()?;
    process::run(apt.get().args(["-qq", "install", "--yes", "--download-only"]).args(PACKAGES).stdout(Stdio::null()))?;

    let fresh = root.with_extension("new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    skeleton(&fresh)?;
    for file in &files {
        extract(&apt.archives.join(file), &fresh)?;
    }
    finish(&fresh)?;
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    fs::rename(&fresh, root)?;
    eprintln!("Asterisk: {} packages unpacked", files.len());
    Ok(())
}

/// An apt that keeps its lists, downloads and its idea of what is installed (nothing) in a folder of ours.
struct Apt {
    configuration: PathBuf,
    archives: PathBuf,
    nothing: PathBuf,
}

impl Apt {
    fn new(work: &Path) -> Result<Self> {
        let archives = work.join("archives");
        // --print-uris leaves out what is downloaded already: it is shown an archive folder that stays empty.
        let nothing = work.join("nothing");
        for folder in
            [work.join("lists/partial"), work.join("state"), archives.join("partial"), nothing.join("partial")]
        {
            fs::create_dir_all(&folder)?;
        }
        fs::write(work.join("status"), "")?;
        let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
        fs::write(work.join("sources.list"), format!("deb [signed-by={keyring}] {} {SUITE} main\n", mirror()?))?;
        let work_display = work.display();
        let configuration = work.join("apt.conf");
        fs::write(
            &configuration,
            format!(
                r#"Dir::Etc::sourcelist "{work_display}/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "{work_display}/state";
Dir::State::lists "{work_display}/lists";
Dir::State::status "{work_display}/status";
Dir::Cache "{work_display}";
Dir::Cache::archives "{work_display}/archives";
Debug::NoLocking "true";
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
"#
            ),
        )?;
        Ok(Self { configuration, archives, nothing })
    }

    fn get(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", &self.configuration).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        command
    }

    /// The names of the downloads that are to be unpacked.
    fn files(&self) -> Result<Vec<String>> {
        let archives = format!("Dir::Cache::archives={}", self.nothing.display());
        let printed =
            process::output(self.get().args(["-o", &archives, "install", "--yes", "--print-uris"]).args(PACKAGES))?;
        // 'URI' name_version_arch.deb size checksum
        let lines = printed.lines().filter(|line| line.starts_with('\''));
        let names = lines.filter_map(|line| line.split_whitespace().nth(1));
        let files: Vec<_> = names.filter(|name| is_needed(name)).map(str::to_owned).collect();
        if files.is_empty() { bail!("apt-get named no package of {PACKAGES:?}") } else { Ok(files) }
    }
}

fn is_needed(file: &str) -> bool {
    !UNNEEDED.iter().any(|prefix| file.starts_with(prefix))
}

/// The address that this machine's apt takes Debian from.
fn mirror() -> Result<String> {
    let format = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"];
    let printed = process::output(Command::new("apt-get").args(format))?;
    let mut mirrors = printed.lines().map(str::trim).filter(|uri| uri.trim_end_matches('/').ends_with("/debian"));
    let mirror = mirrors.next().context("apt's sources name no Debian mirror: sudo apt-get update")?;
    Ok(mirror.to_owned())
}

/// The links that Debian's base-files package makes in its maintainer script.
fn skeleton(root: &Path) -> Result<()> {
    for folder in ["bin", "sbin", "lib", "lib64"] {
        fs::create_dir_all(root.join("usr").join(folder))?;
        symlink(Path::new("usr").join(folder), root.join(folder))?;
    }
    Ok(())
}

fn extract(package: &Path, root: &Path) -> Result<()> {
    let mut dpkg = Command::new("dpkg-deb").arg("--fsys-tarfile").arg(package).stdout(Stdio::piped()).spawn()?;
    let archive = dpkg.stdout.take().context("dpkg-deb has an output")?;
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--directory").arg(root).args(["--keep-directory-symlink", "--no-same-owner"]);
    let not_wanted = ["share/doc", "share/man", "share/locale", "share/info", "share/lintian", "lib/systemd"];
    tar.args(not_wanted.map(|folder| format!("--exclude=./usr/{folder}"))).arg("--exclude=./etc/init.d");
    let unpacked = tar.stdin(archive).status()?;
    if unpacked.success() && dpkg.wait()?.success() { Ok(()) } else { bail!("{} does not unpack", package.display()) }
}

/// What maintainer scripts would have left: users, the host's name, the library cache, the language of the sounds.
fn finish(root: &Path) -> Result<()> {
    for folder in ["dev", "proc", "sys", "tmp", "root", "run/asterisk", "var/log/asterisk", "var/lib/asterisk/keys"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for folder in ["tmp", "monitor", "recording", "voicemail"] {
        fs::create_dir_all(root.join("var/spool/asterisk").join(folder))?;
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    let etc = root.join("etc");
    fs::write(etc.join("passwd"), "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")?;
    fs::write(etc.join("group"), "root:x:0:\nnogroup:x:65534:\n")?;
    fs::write(etc.join("resolv.conf"), "")?;
    let sounds = root.join("usr/share/asterisk/sounds");
    if sounds.join("en_US_f_Allison").is_dir() {
        symlink("en_US_f_Allison", sounds.join("en"))?;
    }
    // Our own configuration is copied in before each start: Debian's would load what we do not test.
    let configuration = etc.join("asterisk");
    if configuration.exists() {
        fs::remove_dir_all(&configuration)?;
    }
    process::run(process::as_root("/sbin/ldconfig").arg("-r").arg(root))
}

#[cfg(test)]
mod tests {
    use super::is_needed;

    #[test]
    fn what_only_an_installed_system_uses_is_left_out() {
        assert!(is_needed("asterisk_1%3a22.10.1~dfsg-1_amd64.deb"));
        assert!(is_needed("libssl3t64_3.5.4-1_amd64.deb"));
        assert!(is_needed("gcc_4"), "only gcc's own base packages are known by their number");
        assert!(!is_needed("perl-base_5.40.1-6_amd64.deb"));
        assert!(!is_needed("gcc-15-base_15.2.0-3_amd64.deb"));
        assert!(!is_needed("tar_1.35_amd64.deb"));
    }
}
