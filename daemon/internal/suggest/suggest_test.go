package suggest

import (
	"strings"
	"testing"
)

func TestDidYouMean(t *testing.T) {
	candidates := []string{"listen", "tls", "token_expire", "spreed", "xmpp"}
	tests := []struct{ word, want string }{
		{"listn", "listen"},
		{"lisetn", "listen"},
		{"tsl", "tls"},
		{"TLS", "tls"},
		{"token-expire", "token_expire"},
		{"tokenexpiry", "token_expire"},
		{"spread", "spreed"},
		{"irc", ""},
		{"sip", ""},
		{"x", ""},
		{"", ""},
		{strings.Repeat("listen", 100_000), ""},
	}
	for _, test := range tests {
		want := ""
		if test.want != "" {
			want = "; did you mean " + test.want + "?"
		}
		if got := DidYouMean(test.word, candidates); got != want {
			t.Errorf("DidYouMean(%.20q) = %q, want %q", test.word, got, want)
		}
	}
}
