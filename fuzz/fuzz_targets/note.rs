//! Notes, records of originals and policies of any content.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sandbox_format::note::{ByteOrder, Collector};
use sandbox_patch::elf::undo::Undo;
use sandbox_patch::filter;
use sandbox_patch::policy::Resolved;

fuzz_target!(|data: &[u8]| {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        record(data, order);
        for align in [4, 8] {
            let mut collector = Collector::new(order);
            if collector.segment(data, align).is_err() {
                continue;
            }
            if let Ok(Some(found)) = collector.finish() {
                policy(found.policy);
                found.undo.into_iter().for_each(|undo| record(undo, order));
            }
        }
    }
    policy(data);
});

fn record(data: &[u8], order: ByteOrder) {
    let Ok(undo) = Undo::parse(data, order) else {
        return;
    };
    let bytes = undo.to_bytes(order).expect("what was read can be written");
    assert_eq!(Undo::parse(&bytes, order).expect("what was written"), undo);
}

fn policy(data: &[u8]) {
    let Ok(policy) = Resolved::from_json(data) else {
        return;
    };
    assert_eq!(policy.to_json(), data);
    let _ = filter::compile(&policy);
}
