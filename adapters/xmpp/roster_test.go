package xmpp

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

func TestParseRoster(t *testing.T) {
	query := `<query xmlns="jabber:iq:roster" xmlns="jabber:iq:roster" ver="7"><item jid="a@example.test" name="A &amp; B" subscription="both"><group>Staff</group></item>` +
		`<other xmlns="x"><item jid="no@example.test"/></other><item jid="b@example.test" subscription="none" ask="subscribe"/></query>`
	got, err := parseRoster([]byte(query))
	if err != nil {
		t.Fatal(err)
	}
	want := []rosterItem{{"a@example.test", "both", ""}, {"b@example.test", "none", "subscribe"}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, bad := range []string{
		`<query xmlns="jabber:iq:roster"><item jid="a@example.test" jid="b@example.test"/></query>`,
		"", "junk", "<query/>", "<iq xmlns='jabber:iq:roster'/>", "<query xmlns='jabber:iq:roster'><item", "<query xmlns='jabber:iq:roster'><item jid='a'></query>",
	} {
		if _, err := parseRoster([]byte(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// FuzzRoster: no input crashes the parser, and it finds no more items than there are.
func FuzzRoster(f *testing.F) {
	f.Add([]byte(`<query xmlns="jabber:iq:roster"><item jid="a@example.test" subscription="both"/></query>`))
	f.Add([]byte(`<query xmlns="jabber:iq:roster"><item jid="a@example.test" subscription="remove" ask="subscribe"><group>g</group></item><x/></query>`))
	f.Add([]byte(`<query xmlns='jabber:iq:roster'/>`))
	f.Add([]byte(`<a:query xmlns:a='jabber:iq:roster'><a:item jid='&#x41;'/></a:query>`))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY e "e">]><query xmlns='jabber:iq:roster'>&e;`))
	f.Fuzz(func(t *testing.T, query []byte) {
		items, _ := parseRoster(query)
		if len(items) > strings.Count(string(query), "item") {
			t.Fatalf("%d items in %q", len(items), query)
		}
	})
}

// FuzzGuard: whatever arrives during the login and however it is cut into pieces, a challenge never gets past that asks for more
// than the limit, as the library would read it.
func FuzzGuard(f *testing.F) {
	challenge := func(text string) string {
		return "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + base64.StdEncoding.EncodeToString([]byte(text)) + "</challenge>"
	}
	f.Add(challenge("r=a,s=c2FsdA==,i=4096"), 7)
	f.Add(challenge("r=a,s=c2FsdA==,i=400000000"), 3)
	f.Add("<x:challenge a='1'>AAAA<!-- -->BBBB</x:challenge>", 1)
	f.Add("<stream:error><see-other-host>a</see-other-host></stream:error>", 5)
	f.Add("<challenge/>", 2)
	f.Fuzz(func(t *testing.T, text string, size int) {
		if len(text) > 4096 {
			return
		}
		size = 1 + (size&0x7fffffff)%64
		guard := lenient(defaultLimits)
		err := feed(guard, text, size)
		if strings.Contains(text, "see-other-host") && err == nil {
			t.Fatalf("%q passes", text)
		}
		guard.find(streamCondition)
		whole := feed(lenient(defaultLimits), text, len(text)+1)
		if (err == nil) != (whole == nil) {
			t.Fatalf("in pieces of %d: %v; whole: %v", size, err, whole)
		}
	})
}

// lenient returns a guard of a link that is never cut.
func lenient(l limits) *guard { return newGuard(func() error { return nil }, l) }

func feed(guard *guard, text string, size int) (err error) {
	defer contain(&err)
	for len(text) > 0 {
		piece := text[:min(size, len(text))]
		text = text[len(piece):]
		if _, err := guard.Write([]byte("RECV " + piece)); err != nil {
			return err
		}
	}
	return nil
}

func TestGuardRefusesHashing(t *testing.T) {
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	costly, cheap := encode("r=a,s=c2FsdA==,i=500001"), encode("r=a,s=c2FsdA==,i=500000")
	for text, pass := range map[string]bool{
		"<challenge xmlns='s'>" + cheap + "</challenge><success/>":                true,
		"<challenge xmlns='s'>" + costly + "</challenge>":                         false,
		"<s:challenge>" + costly + "</s:challenge>":                               false,
		"<challenge a='>'>" + costly + "</challenge>":                             false,
		"<challenge>\n" + costly[:8] + "<!-- -->" + costly[8:] + "</challenge>":   false,
		"<challenge><![CDATA[" + costly + "]]></challenge>":                       false,
		"<challenge>&#x" + costly + "</challenge>":                                false,
		"<challenge><x/>" + costly + "</challenge>":                               false,
		"<challenge>" + encode("r=a,i=1,i=99999999999999999999") + "</challenge>": false,
	} {
		for size := 1; size <= len(text); size++ {
			if err := feed(lenient(defaultLimits), text, size); (err == nil) != pass {
				t.Fatalf("%q in pieces of %d: %v", text, size, err)
			}
		}
	}
}

// A fault in the library's parsing must not end the daemon.
func TestContain(t *testing.T) {
	fault := func() (err error) {
		defer contain(&err)
		var nothing []int
		index := len(nothing)
		return fmt.Errorf("%d", nothing[index])
	}
	if err := fault(); err == nil || !strings.Contains(err.Error(), "go-xmpp panicked") {
		t.Errorf("got %v", err)
	}
}
