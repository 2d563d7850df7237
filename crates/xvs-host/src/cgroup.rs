//! Where the cgroup2 hierarchy is mounted.

use std::{fs, path::PathBuf};

use crate::SetupError;

/// The mount point of the whole cgroup2 hierarchy, which stands alone or beside cgroup v1.
pub(crate) fn root() -> Result<PathBuf, SetupError> {
    let path = "/proc/self/mountinfo";
    let mounts =
        fs::read_to_string(path).map_err(|source| SetupError::file("read", path, source))?;
    mount_point(&mounts).ok_or(SetupError::Cgroup2Missing)
}

/// proc(5): `36 35 98:0 ROOT MOUNT-POINT OPTIONS [optional ...] - TYPE SOURCE OPTIONS`.
fn mount_point(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        if file_system.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        // a part of the hierarchy would leave servers outside it without an answer
        (root == "/").then(|| PathBuf::from(point))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_is_found_beside_cgroup_v1() {
        let mounts = "\
            22 27 0:21 / /proc rw,relatime - proc proc rw\n\
            30 29 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
            39 29 0:35 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(
            mount_point(mounts),
            Some(PathBuf::from("/sys/fs/cgroup/unified"))
        );
    }

    #[test]
    fn a_part_of_the_hierarchy_is_not_enough() {
        let mounts = "39 29 0:35 /user.slice /mnt rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_point(mounts), None);
        assert_eq!(mount_point(""), None);
    }
}
