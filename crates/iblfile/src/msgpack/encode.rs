use rmp::encode as rmp;

use super::Value;

/// Encodes a value compactly, without string references.
///
/// Integers take their smallest form (non-negative ones the unsigned codes), as the original's
/// encoder does.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode_into(&mut out, value);
    out
}

/// [`encode`], appending to a buffer.
pub fn encode_into(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Nil => put(rmp::write_nil(out)),
        Value::Bool(value) => put(rmp::write_bool(out, *value)),
        Value::UInt(number) => put(rmp::write_uint(out, *number)),
        Value::Int(number) => put(rmp::write_sint(out, *number)),
        Value::F32(number) => put(rmp::write_f32(out, *number)),
        Value::F64(number) => put(rmp::write_f64(out, *number)),
        Value::Str(text) => put(rmp::write_str(out, text)),
        Value::Bin(bytes) => put(rmp::write_bin(out, bytes)),
        Value::Array(items) => {
            put(rmp::write_array_len(out, len32(items.len())));
            for item in items {
                encode_into(out, item);
            }
        }
        Value::Map(entries) => {
            put(rmp::write_map_len(out, len32(entries.len())));
            for (key, value) in entries {
                encode_into(out, key);
                encode_into(out, value);
            }
        }
        Value::Time(at) => time(out, at.timestamp(), at.timestamp_subsec_nanos()),
        Value::Ext(kind, data) => {
            put(rmp::write_ext_meta(out, len32(data.len()), *kind));
            out.extend_from_slice(data);
        }
    }
}

/// What an array of so many elements begins with; [`encode`] each of them behind it.
pub fn array_header(len: u32) -> Vec<u8> {
    let mut out = Vec::new();
    put(rmp::write_array_len(&mut out, len));
    out
}

fn time(out: &mut Vec<u8>, seconds: i64, nanoseconds: u32) {
    // chrono counts a leap second as nanoseconds beyond a second; the format has no such notion.
    let nanoseconds = nanoseconds.min(999_999_999);
    match u64::try_from(seconds) {
        Ok(seconds) if seconds >> 34 == 0 => {
            let packed = u64::from(nanoseconds) << 34 | seconds;
            match u32::try_from(packed) {
                Ok(short) => {
                    put(rmp::write_ext_meta(out, 4, -1));
                    out.extend_from_slice(&short.to_be_bytes());
                }
                Err(_) => {
                    put(rmp::write_ext_meta(out, 8, -1));
                    out.extend_from_slice(&packed.to_be_bytes());
                }
            }
        }
        _ => {
            put(rmp::write_ext_meta(out, 12, -1));
            out.extend_from_slice(&nanoseconds.to_be_bytes());
            out.extend_from_slice(&seconds.to_be_bytes());
        }
    }
}

/// Writing to a `Vec` cannot fail.
fn put<T, E: std::fmt::Debug>(result: Result<T, E>) {
    debug_assert!(
        result.is_ok(),
        "writing to memory failed: {:?}",
        result.err()
    );
}

fn len32(len: usize) -> u32 {
    u32::try_from(len).expect("a section holds fewer than 2^32 elements")
}
