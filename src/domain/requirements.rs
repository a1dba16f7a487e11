//! What some payment gateways insist on beside the order. Checked before the charge: a field that is missing is a
//! matter for a person, not a decline.

use super::charge::Payer;

/// The names of the fields that `provider` demands and that are missing; empty when all is there.
///
/// Unknown providers demand nothing here: the gateway will say so itself. Source: the pages of the payment gateways in
/// PortOne's V2 documentation.
pub fn missing(
    provider: Option<&str>,
    payer: &Payer,
    product_type: Option<&str>,
    locale: Option<&str>,
) -> Vec<&'static str> {
    let Some(provider) = provider else { return Vec::new() };
    let fields = [
        ("customer.name", payer.name.as_deref()),
        ("customer.phone", payer.phone.as_deref()),
        ("customer.email", payer.email.as_deref()),
        ("gateway.product_type", product_type),
        ("gateway.locale", locale),
    ];
    let wanted = wanted_by(provider);
    fields
        .into_iter()
        .filter(|(name, value)| wanted.contains(name) && value.is_none_or(|text| text.trim().is_empty()))
        .map(|(name, _)| name)
        .collect()
}

fn wanted_by(provider: &str) -> &'static [&'static str] {
    match provider {
        "INICIS_V2" | "WELCOME" => &["customer.name", "customer.phone", "customer.email"],
        "EXIMBAY_V2" => &["customer.name", "customer.email", "gateway.locale"],
        "PAYLETTER_GLOBAL" => &["customer.email"],
        "KSNET" => &["gateway.product_type"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inicis_wants_name_phone_and_email() {
        let payer = Payer { name: Some("김하늘".into()), email: None, phone: Some(" ".into()) };
        assert_eq!(missing(Some("INICIS_V2"), &payer, None, None), ["customer.phone", "customer.email"]);
        assert!(missing(Some("TOSSPAYMENTS"), &payer, None, None).is_empty());
        assert!(missing(None, &Payer::default(), None, None).is_empty());
    }

    #[test]
    fn settings_count_as_fields() {
        let payer = Payer { name: Some("Kim".into()), email: Some("k@example.com".into()), phone: None };
        assert_eq!(missing(Some("KSNET"), &payer, None, None), ["gateway.product_type"]);
        assert!(missing(Some("KSNET"), &payer, Some("DIGITAL"), None).is_empty());
        assert_eq!(missing(Some("EXIMBAY_V2"), &payer, None, None), ["gateway.locale"]);
        assert!(missing(Some("EXIMBAY_V2"), &payer, None, Some("KO_KR")).is_empty());
        assert_eq!(missing(Some("PAYLETTER_GLOBAL"), &Payer::default(), None, None), ["customer.email"]);
    }
}
