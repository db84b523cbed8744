//! XML as a reader sees it, from its description: whatever a text or an attribute holds, it does not look like a tag.

use serde_json::Value;

/// The markup of what [`super::describe::describe_root`] made of a fragment. Its depth was measured there.
pub(super) fn markup(described: &Value) -> String {
    let mut text = String::new();
    write(described, &mut text);
    text
}

fn write(node: &Value, text: &mut String) {
    if let Some(children) = node["$fragment"].as_array() {
        for child in children {
            write(child, text);
        }
    } else if let Some(tag) = node["$element"].as_str() {
        open(tag, &node["attributes"], text);
        for child in node["children"].as_array().into_iter().flatten() {
            write(child, text);
        }
        close(tag, text);
    } else {
        for run in node["$xmltext"].as_array().into_iter().flatten() {
            let formats = run["attributes"].as_object();
            for (format, value) in formats.into_iter().flatten() {
                open(format, value, text);
            }
            escape(run["insert"].as_str().unwrap_or("\u{fffc}"), text);
            for (format, _) in formats.into_iter().flatten().rev() {
                close(format, text);
            }
        }
    }
}

fn open(tag: &str, attributes: &Value, text: &mut String) {
    text.push('<');
    escape(tag, text);
    for (name, value) in attributes.as_object().into_iter().flatten() {
        text.push(' ');
        escape(name, text);
        text.push_str("=\"");
        match value {
            Value::String(value) => escape(value, text),
            other => escape(&other.to_string(), text),
        }
        text.push('"');
    }
    text.push('>');
}

fn close(tag: &str, text: &mut String) {
    text.push_str("</");
    escape(tag, text);
    text.push('>');
}

fn escape(words: &str, text: &mut String) {
    for character in words.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_and_attributes_do_not_look_like_tags() {
        let paragraph = json!({
            "$element": "p",
            "attributes": { "title": "a \"b\" & c", "level": 2 },
            "children": [{ "$xmltext": [
                { "insert": "1 < 2 </p>", "attributes": {} },
                { "insert": "bold", "attributes": { "strong": {}, "link": { "href": "x" } } },
                { "insert": { "image": 1 }, "attributes": {} },
            ], "attributes": {} }],
        });
        let expected = "<p level=\"2\" title=\"a &quot;b&quot; &amp; c\">1 &lt; 2 &lt;/p&gt;\
                        <link href=\"x\"><strong>bold</strong></link>\u{fffc}</p>";
        assert_eq!(markup(&json!({ "$fragment": [paragraph] })), expected);
        assert_eq!(markup(&json!({ "$fragment": [] })), "");
    }
}
