package command

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zarafa/presence/internal/freeport"
)

// behindNginx starts nginx with the example of the documents, but for addresses and the certificate, in front of a daemon. It returns where it is, and
// a client that speaks HTTP/2.
func behindNginx(t *testing.T, daemon string) (at string, client *http.Client) {
	t.Helper()
	example := exampleOf(t, "operations.md", "nginx")
	dir, address := t.TempDir(), freeport.Address(t)
	example = strings.NewReplacer("listen 443", "listen "+address, "http://127.0.0.1:1234", strings.TrimSuffix(daemon, "/"), "/etc/nginx/", dir+"/").Replace(example)
	lent := httptest.NewUnstartedServer(nil) // for its certificate
	lent.StartTLS()
	certificate := lent.TLS.Certificates[0]
	lent.Close()
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"presence.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
		"presence.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"nginx.conf": []byte("daemon off;\npid nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\nclient_body_temp_path body;\nproxy_temp_path proxy;\n" +
			"fastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n" + example + "}\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	nginx, said := exec.Command("/usr/sbin/nginx", "-c", filepath.Join(dir, "nginx.conf"), "-p", dir), new(output)
	nginx.Stderr = said
	if err := nginx.Start(); err != nil {
		t.Fatalf("nginx, from Debian's package nginx: %v", err)
	}
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = nginx.Process.Signal(syscall.SIGTERM)
		if err := nginx.Wait(); err != nil {
			t.Errorf("nginx: %v\n%s", err, said.String())
		}
	})
	at, client = "https://"+address+"/", &http.Client{Transport: transport}
	eventually(t, "nginx answers", func() bool {
		answer, err := client.Get(at + "openapi.json")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return at, client
}

// TestBehindNginx: the documents' example lets streams through at once, over HTTP/2, keeps the body of a GET, and takes long headers.
func TestBehindNginx(t *testing.T) {
	d := serve(t, secretEnv, "--http.listen=127.0.0.1:0")
	at, client := behindNginx(t, d.url)
	mine := token(t, secretEnv, markd)
	ask := func(method, path, body, cookie string) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, at+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+mine)
		request.Header.Set("Cookie", cookie)
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	stream := ask(http.MethodGet, "v1/events?user="+markd, "", "")
	defer stream.Body.Close()
	if stream.ProtoMajor != 2 || stream.StatusCode != http.StatusOK {
		t.Fatalf("the stream is answered with %s %s", stream.Proto, stream.Status)
	}
	put := ask(http.MethodPut, "v1/users/"+markd+"/manual", `{"status":"busy","message":"behind nginx"}`, strings.Repeat("x", 12<<10))
	if _ = put.Body.Close(); put.StatusCode != http.StatusNoContent {
		t.Errorf("PUT with a long cookie: %s", put.Status)
	}
	lines := bufio.NewScanner(stream.Body)
	for lines.Scan() && !strings.Contains(lines.Text(), "behind nginx") {
	}
	if err := lines.Err(); err != nil || !strings.Contains(lines.Text(), "behind nginx") {
		t.Errorf("the stream ends with %q, %v", lines.Text(), err)
	}
	get := ask(http.MethodGet, "", `{"AuthenticationToken":"`+mine+`","Type":"UserStatus","UserStatus":[{"user_id":"`+markd+`"}]}`, "")
	text, err := io.ReadAll(get.Body)
	if _ = get.Body.Close(); err != nil || !strings.Contains(string(text), `"manual":{"status":"busy","message":"behind nginx"}`) {
		t.Errorf("GET with a body: %s %s %v", get.Status, text, err)
	}
}
