use super::*;

const HOUR: u64 = 1 << 40;

/// What a file claims whose bytes come in pieces of so many.
fn claimed_in(file: &[u8], piece: usize, bytes: u64) -> Option<Duration> {
    let mut length = Length::default();
    file.chunks(piece).for_each(|piece| length.look(piece));
    length.claimed(bytes)
}

/// The same, whatever the pieces.
fn claimed(file: &[u8]) -> Option<Duration> {
    let whole = claimed_in(file, file.len().max(1), HOUR);
    for piece in [1, 3, 7, 64] {
        assert_eq!(claimed_in(file, piece, HOUR), whole, "pieces of {piece}");
    }
    whole
}

fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len() + 8).unwrap();
    [&size.to_be_bytes()[..], kind, payload].concat()
}

fn mvhd(scale: u32, ticks: u32) -> Vec<u8> {
    boxed(b"mvhd", &[&[0; 12][..], &scale.to_be_bytes(), &ticks.to_be_bytes(), &[0; 80]].concat())
}

fn mp4(mvhd: &[u8]) -> Vec<u8> {
    [boxed(b"ftyp", b"isom"), boxed(b"mdat", &[7; 5000]), boxed(b"moov", mvhd)].concat()
}

#[test]
fn an_mp4_is_as_long_as_its_movie_header_says_wherever_that_is() {
    let ten = Some(Duration::from_millis(10_500));
    assert_eq!(claimed(&mp4(&mvhd(600, 6_300))), ten);
    let first = [boxed(b"ftyp", b"qt  "), boxed(b"moov", &mvhd(1000, 10_500))].concat();
    assert_eq!(claimed(&first), ten);
    assert_eq!(claimed(&[boxed(b"wide", b""), first].concat()), ten);
    let long = [&[1, 0, 0, 0][..], &[0; 16], &600u32.to_be_bytes(), &6_300u64.to_be_bytes()];
    assert_eq!(claimed(&mp4(&boxed(b"mvhd", &long.concat()))), ten);
    // A box whose size has eight bytes.
    let large = [&[0, 0, 0, 1][..], b"mdat", &116u64.to_be_bytes(), &[9; 100]].concat();
    assert_eq!(claimed(&[boxed(b"ftyp", b""), large, boxed(b"moov", &mvhd(2, 21))].concat()), ten);
}

fn element(id: &[u8], payload: &[u8]) -> Vec<u8> {
    let size = 0x1000_0000 | u32::try_from(payload.len()).unwrap();
    [id, &size.to_be_bytes(), payload].concat()
}

fn webm(info: &[u8]) -> Vec<u8> {
    let head = element(&matroska::MAGIC, b"\x42\x82\x84webm");
    // Of unknown size, as a stream is written.
    let segment = [&[0x18, 0x53, 0x80, 0x67, 0x01][..], &[0xff; 7]].concat();
    let seek = element(&[0x11, 0x4d, 0x9b, 0x74], &[0; 70]);
    [head, segment, seek, element(&[0x15, 0x49, 0xa9, 0x66], info)].concat()
}

#[test]
fn a_matroska_file_is_as_long_as_its_info_says() {
    let title = element(&[0x7b, 0xa9], &[b'x'; 300]);
    let long = |units: f64| element(&[0x44, 0x89], &units.to_be_bytes());
    let ten = Some(Duration::from_millis(10_500));
    assert_eq!(claimed(&webm(&[title.clone(), long(10_500.0)].concat())), ten);
    let scale = element(&[0x2a, 0xd7, 0xb1], &10_000_000u32.to_be_bytes());
    assert_eq!(claimed(&webm(&[long(1_050.0), title, scale].concat())), ten);
    assert_eq!(claimed(&webm(&element(&[0x44, 0x89], &10_500f32.to_be_bytes()))), ten);
}

#[test]
fn what_cannot_be_or_is_not_said_is_not_known() {
    let float = |units: f64| webm(&element(&[0x44, 0x89], &units.to_be_bytes()));
    let mut table = vec![
        Vec::new(),
        b"GIF89a and more of it".to_vec(),
        vec![0; 100],
        mp4(&mvhd(0, 600)),
        mp4(&mvhd(600, 0)),
        mp4(&mvhd(600, u32::MAX)),
        mp4(&mvhd(1, 4 * 3600 + 1)),
        mp4(&boxed(b"mvhd", &[2; 100])),
        mp4(&boxed(b"mvhd", &[])),
        boxed(b"moov", &[0, 0, 0, 7, b'm', b'v', b'h', b'd']),
        boxed(b"ftyp", &[]).repeat(MOST_PARTS as usize + 1),
        webm(&[]),
        webm(&element(&[0x44, 0x89], &[1; 3])),
        [webm(&[])[..60].to_vec(), vec![0x1f, 0x43, 0xb6, 0x75, 0xff], float(9.0)].concat(),
    ];
    table.extend([f64::NAN, f64::INFINITY, -5.0, 0.0, 1e300].map(float));
    for file in &table {
        assert_eq!(claimed(file), None, "{:?}", &file[..file.len().min(80)]);
    }
    // Cut anywhere before its end, it claims nothing; nor does it with too few bytes.
    let file = mp4(&mvhd(600, 6_300));
    for end in 0..file.len() - 80 {
        assert_eq!(claimed_in(&file[..end], 4096, HOUR), None, "{end}");
    }
    assert_eq!(claimed_in(&file, 4096, 4_999), None);
    assert!(claimed_in(&file, 4096, 5_000).is_some());
}
