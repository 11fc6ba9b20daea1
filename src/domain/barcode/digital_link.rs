//! GS1 Digital Link: a web address whose path names an item (GS1 Digital Link Standard, URI Syntax): `/01/GTIN`, qualifiers in
//! the path (`/10/LOT`, `/21/SERIAL`), other identifiers in the query (`?17=261231`).

use percent_encoding::percent_decode_str;

use super::BarcodeError;
use super::element_string::{Element, checked};

/// The elements of a link; none where the code is no link with a GTIN: any other address may be a SKU, as far as is known
/// here.
pub fn elements(code: &str) -> Result<Option<Vec<Element>>, BarcodeError> {
    let scheme = code.get(..8).unwrap_or_default().to_ascii_lowercase();
    let rest = if scheme.starts_with("https://") {
        code.get(8..)
    } else if scheme.starts_with("http://") {
        code.get(7..)
    } else {
        None
    };
    let Some((_, path)) = rest.and_then(|rest| rest.split_once('/')) else {
        return Ok(None);
    };
    let path = path.split_once('#').map_or(path, |(path, _)| path);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let segments: Vec<&str> = path.split('/').collect();
    let Some(begin) = segments.iter().rposition(|segment| *segment == "01") else {
        return Ok(None);
    };
    let pairs = segments.get(begin..).unwrap_or_default().chunks_exact(2);
    let of_path = pairs.filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)));
    let of_query = query.split(['&', ';']).filter_map(|pair| pair.split_once('='));
    let is_identifier = |name: &str| matches!(name.len(), 2..=4) && name.bytes().all(|byte| byte.is_ascii_digit());
    let mut elements = Vec::new();
    for (identifier, data) in of_path.chain(of_query.filter(|(name, _)| is_identifier(name))) {
        let at = data.as_ptr().addr().saturating_sub(code.as_ptr().addr());
        let at = code.get(..at).map_or(at, |before| before.chars().count()) + 1;
        let data = percent_decode_str(data).decode_utf8();
        let data = data.map_err(|error| BarcodeError::Element {
            at,
            what: error.to_string(),
        })?;
        // In a link a GTIN may stand with 8, 12 or 13 digits.
        let padded = match identifier {
            "01" => format!("{data:0>14}"),
            _ => data.into_owned(),
        };
        elements.push(checked(identifier, &padded, at)?);
    }
    Ok(Some(elements))
}
