//! FILE_CHECK: the number in a file.
//!
//! With weight 0 the number must be 0. Else the number times the weight is added to the weight of the
//! real server, and one that no weight could make up for says that it is down.

use tokio::io::AsyncReadExt;
use xvs_conf::config::{FileCheck, TrackWeight};
use xvs_types::Weight;

use crate::{Failure, Success};

/// A number needs no more; the rest is not read.
const LIMIT: u64 = 128;

pub(crate) async fn run(check: &FileCheck) -> Result<Success, Failure> {
    let failed = |reason: String| Failure::File {
        path: check.file.clone(),
        reason,
    };
    let path = check.file.clone();
    let file = tokio::fs::File::open(path).await;
    let mut text = String::new();
    let mut reader = file.map_err(|error| failed(error.to_string()))?.take(LIMIT);
    let read = reader.read_to_string(&mut text).await;
    read.map_err(|error| failed(error.to_string()))?;
    let word = text.split_whitespace().next().unwrap_or_default();
    let number: i64 = word.parse().map_err(|error| failed(format!("{error}")))?;
    judge(check.weight, number)
}

fn judge(weight: TrackWeight, number: i64) -> Result<Success, Failure> {
    if weight.weight == 0 {
        let well = (number == 0) != weight.reverse;
        return if well {
            Ok(Success::Plain)
        } else {
            Err(Failure::FileSays(number))
        };
    }
    let factor = i64::from(weight.weight);
    let factor = if weight.reverse { -factor } else { factor };
    let added = number.saturating_mul(factor);
    if added < -i64::from(Weight::MAX.get()) {
        return Err(Failure::FileSays(number));
    }
    Ok(Success::WeightAdded(added))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_counts_times_the_weight() {
        let weight = |weight, reverse| TrackWeight { weight, reverse };
        assert!(matches!(
            judge(weight(2, false), -3),
            Ok(Success::WeightAdded(-6))
        ));
        assert!(matches!(
            judge(weight(2, true), -3),
            Ok(Success::WeightAdded(6))
        ));
        assert!(matches!(judge(weight(0, false), 0), Ok(Success::Plain)));
        assert!(matches!(
            judge(weight(0, false), 1),
            Err(Failure::FileSays(1))
        ));
        assert!(matches!(judge(weight(0, true), 1), Ok(Success::Plain)));
        assert!(judge(weight(1, false), i64::MIN).is_err());
    }
}
