package legacy

import (
	"bytes"
	"slices"
	"testing"
)

// FuzzHead: whatever Head says is the list, read with any other head, is what the whole document says.
func FuzzHead(f *testing.F) {
	for _, seed := range []string{
		`{"AuthenticationToken":"t","Type":"UserStatus","UserStatus":[{"user_id":"a@b"},{"user_id":"c@d","x":{"status":"s"}}]}`,
		`{ "Type" : "UserStatus", "AuthenticationToken" : "t" , "UserStatus" : [ ] , "x":1}`,
		`{"AuthenticationToken":"t","Type":"UserStatus","UserStatus":[],"Type":"x"}`,
		`{,"AuthenticationToken":"t","Type":"UserStatus","UserStatus":[]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		original := bytes.Clone(text)
		_, list, ok := Head(text)
		if !bytes.Equal(original, text) {
			t.Fatal("Head has changed the text")
		}
		if !ok {
			return
		}
		other := append([]byte(`{"AuthenticationToken":"x","Type":"UserStatus","UserStatus":`), list...)
		var whole, part Request
		wholeErr, partErr := whole.ReadQuery(bytes.Clone(original)), part.ReadQuery(other)
		if (wholeErr == nil) != (partErr == nil) || wholeErr == nil && !slices.Equal(whole.Users, part.Users) {
			t.Fatalf("%q: %v %q, with another head %v %q", original, wholeErr, whole.Users, partErr, part.Users)
		}
	})
}
