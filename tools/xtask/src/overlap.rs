//! Builds on one thread, emulations on the others.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;

/// Prepares `items` one after another. Finishes each on another thread, meanwhile and on as many as
/// the host has cores. Results are in the order of the items.
///
/// # Errors
/// The first of `prepare`'s, else the first of `finish`'s in the order of the items.
pub fn overlapped<I, P: Send, R: Send>(
    items: impl IntoIterator<Item = I>,
    mut prepare: impl FnMut(I) -> Result<P>,
    finish: impl Fn(P) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let results = Mutex::new(Vec::new());
    rayon::in_place_scope(|scope| {
        items.into_iter().enumerate().try_for_each(|(at, item)| {
            let prepared = prepare(item)?;
            let (finish, results) = (&finish, &results);
            scope.spawn(move |_| {
                let result = finish(prepared);
                results.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
            });
            anyhow::Ok(())
        })
    })?;
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn results_keep_the_order_and_the_first_error_is_told() {
        let slow_first = |number: u64| {
            std::thread::sleep(std::time::Duration::from_millis(20 - 4 * number));
            Ok(number * number)
        };
        assert_eq!(overlapped(0..5, Ok, slow_first).unwrap(), [0, 1, 4, 9, 16]);
        let fails = |number: u64| if number > 1 { bail!("{number}") } else { Ok(number) };
        assert_eq!(overlapped(0..5, Ok, fails).unwrap_err().to_string(), "2");
        assert_eq!(overlapped(0..5, fails, |_: u64| Ok(())).unwrap_err().to_string(), "2");
    }
}
