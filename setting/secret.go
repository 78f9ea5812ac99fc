package setting

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
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
	file string
}

// NewSecret returns a Secret that holds the text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// maxSecret is the largest file of a secret that is read, in bytes.
const maxSecret = 4096

// ReadSecret reads a file with a secret; line ends after it are no part of it. Its error names the file, and so does the empty Secret beside it.
// An empty name gives the empty Secret.
func ReadSecret(file string) (Secret, error) {
	if file == "" {
		return Secret{}, nil
	}
	content, err := ReadFile(file, maxSecret)
	if err != nil {
		return Secret{file: file}, err
	}
	secret := NewSecret(strings.TrimRight(string(content), "\r\n"))
	if secret.file = file; secret.IsZero() {
		err = fmt.Errorf("%s: it is empty", file)
	}
	return secret, err
}

// File returns the name of the file that the Secret was read from, or nothing.
func (s Secret) File() string { return s.file }

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

// UnmarshalText implements encoding.TextUnmarshaler. The text is the secret.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// Equal reports whether two Secrets have the same text. Do not call it to check what somebody claims to be the secret: it takes less time the earlier
// the texts differ.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }
