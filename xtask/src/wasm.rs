//! What a wasm module says of itself, as far as the build must know.

use anyhow::{Context, Result, ensure};

/// The section of imports (WebAssembly Core §5.5.5).
const IMPORTS: u8 = 2;

/// How many functions, memories and so on a module wants of its host.
///
/// # Errors
/// When it is no module.
pub fn imports(module: &[u8]) -> Result<u32> {
    ensure!(module.starts_with(b"\0asm\x01\0\0\0"), "no WebAssembly module");
    let mut rest = &module[8..];
    while let Some((&section, after)) = rest.split_first() {
        rest = after;
        let size = usize::try_from(leb128(&mut rest)?)?;
        let mut body = rest.get(..size).context("a section ends beyond the module")?;
        if section == IMPORTS {
            return leb128(&mut body);
        }
        rest = &rest[size..];
    }
    Ok(0)
}

/// An unsigned number of at most 32 bits (§5.2.2); takes it off the front.
fn leb128(bytes: &mut &[u8]) -> Result<u32> {
    let mut value = 0;
    for shift in (0..32).step_by(7) {
        let (&byte, rest) = bytes.split_first().context("a number ends beyond the module")?;
        *bytes = rest;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    anyhow::bail!("a number of more than 32 bits")
}

#[cfg(test)]
mod tests {
    use super::imports;

    const HEAD: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn imports_are_counted() {
        // A custom section of 130 bytes, then a type section, then two imports.
        let custom = [&[0, 0x82, 0x01][..], &[0; 130]].concat();
        let types = [1, 1, 0];
        let two = [2, 13, 2, 1, b'e', 1, b'f', 0, 0, 1, b'e', 1, b'g', 0, 0];
        assert_eq!(imports(&[HEAD, &custom, &types, &two].concat()).unwrap(), 2);
        assert_eq!(imports(&[HEAD, &custom, &types].concat()).unwrap(), 0);
        assert_eq!(imports(HEAD).unwrap(), 0);
    }

    #[test]
    fn what_is_no_module_is_refused() {
        for bad in [&b""[..], b"\0asm", b"\0asm\x02\0\0\0", &[HEAD, &[1, 9, 0]].concat(), &[HEAD, &[1, 0xff]].concat()]
        {
            assert!(imports(bad).is_err(), "{bad:?}");
        }
    }
}
