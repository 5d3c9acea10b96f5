//! The server's frames: never masked, never fragmented, each length in its shortest form.

/// All that a control frame may hold.
const MAX_CONTROL_BYTES: usize = 125;
/// Two bytes of a close frame are its code.
const MAX_REASON_BYTES: usize = MAX_CONTROL_BYTES - 2;

/// The header of a text frame with a payload of `length` bytes, and how many of its bytes count: 2, 4 or 10.
fn text_header(length: usize) -> ([u8; 10], usize) {
    let mut header = [0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    match length {
        0..=125 => {
            header[1] = length as u8;
            (header, 2)
        }
        126..=0xffff => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            (header, 4)
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&(length as u64).to_be_bytes());
            (header, 10)
        }
    }
}

/// Appends a text frame.
pub fn encode_text(payload: &[u8], out: &mut Vec<u8>) {
    out.reserve(payload.len() + 10);
    let (header, length) = text_header(payload.len());
    out.extend_from_slice(&header[..length]);
    out.extend_from_slice(payload);
}

/// Makes a text frame of `buffer`, whose payload begins behind `headroom` free bytes, at least 10: writes the header right in
/// front of the payload and returns where the frame begins.
pub fn encode_text_in_place(buffer: &mut [u8], headroom: usize) -> usize {
    let (header, length) = text_header(buffer.len() - headroom);
    let start = headroom - length;
    buffer[start..headroom].copy_from_slice(&header[..length]);
    start
}

/// Appends the answer to a ping; `payload` is cut at 125 bytes.
pub fn encode_pong(payload: &[u8], out: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(MAX_CONTROL_BYTES)];
    out.extend_from_slice(&[0x8a, payload.len() as u8]);
    out.extend_from_slice(payload);
}

/// Appends a close frame; `reason` is cut at 123 bytes, between characters.
pub fn encode_close(code: u16, reason: &str, out: &mut Vec<u8>) {
    let reason = &reason[..reason.floor_char_boundary(MAX_REASON_BYTES)];
    out.extend_from_slice(&[0x88, 2 + reason.len() as u8]);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}
