package command

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/zarafa/presence/internal/oidctest"
)

// TestProviderDown: a daemon starts while its OpenID provider cannot be reached, says so, and goes on by itself. Other tokens are not concerned.
func TestProviderDown(t *testing.T) {
	provider := oidctest.Start(t)
	provider.SetDown(true)
	d := serve(t, nil, "--config", write(t, "zarafa-presence.yaml", "http: {listen: 127.0.0.1:0}\nauth: {secret: "+testSecret+"}\n"+signedInBy(provider)))
	ask := func(token string) (status int, again, body string) {
		t.Helper()
		request, err := http.NewRequest(http.MethodGet, d.url+"v1/me", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, response.Header.Get("Retry-After"), string(text)
	}
	token := provider.Token(t, alice, nil)
	if status, again, body := ask(token); status != 503 || again == "" || !strings.Contains(body, "has not answered yet") {
		t.Errorf("a token of the provider: %d, again after %q: %s", status, again, body)
	}
	if status, _, body := ask(agedToken(alice, 0)); status != 200 || !strings.Contains(body, alice) {
		t.Errorf("a token of our own: %d %s", status, body)
	}
	eventually(t, "the log says so", func() bool { return strings.Contains(d.stderr.String(), "the OpenID provider cannot be used") })
	provider.SetDown(false)
	eventually(t, "a token of the provider is good", func() bool { status, _, _ := ask(token); return status == 200 })
}
