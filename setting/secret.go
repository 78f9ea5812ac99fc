package setting

import (
	"fmt"
	"io"
	"log/slog"
)

// Mask stands for a secret wherever one is printed, logged or marshalled.
const Mask = "********"

// Secret is a text that shows itself only to a caller of Reveal. It is masked by every verb of fmt, also as an unexported field of
// something that is printed, by log/slog, and when it is marshalled as text, JSON or YAML. The zero Secret is empty.
//
// A key x of this type can also be set by a key x_file that names a file with the secret. The configuration reads it.
type Secret struct {
	_    [0]func() // not comparable with ==, which would compare the pointers
	text *string   // a pointer, because fmt prints unexported fields without asking them how
}

// NewSecret returns a Secret that holds the text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the Secret is empty.
func (s Secret) IsZero() bool { return s.text == nil }

// String returns Mask, or nothing if the Secret is empty.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return Mask
}

// Format implements fmt.Formatter: every verb prints what String returns.
func (s Secret) Format(to fmt.State, _ rune) { _, _ = io.WriteString(to, s.String()) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler, which JSON and YAML use too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
