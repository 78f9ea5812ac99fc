package auth

import (
	"fmt"
	"testing"

	"github.com/zarafa/presence/domain"
)

// collide returns tokens that share a slot.
func collide(v *verified, n int) []string {
	bySlot := map[*verifiedSlot][]string{}
	for i := 0; ; i++ {
		token := fmt.Sprintf("token %d", i)
		_, hash := v.find(token)
		slot := v.slot(hash)
		if bySlot[slot] = append(bySlot[slot], token); len(bySlot[slot]) == n {
			return bySlot[slot]
		}
	}
}

func TestWhichTokensAreRemembered(t *testing.T) {
	v := newVerified()
	shared := collide(v, 3)
	note := func(i int, stamp, oldest domain.Timestamp) {
		_, hash := v.find(shared[i])
		v.note(hash, shared[i], stamp, domain.UserID(fmt.Sprint("user ", i)), oldest)
	}
	expect := func(what string, remembered int, stamp domain.Timestamp) {
		t.Helper()
		for i, token := range shared {
			known, _ := v.find(token)
			if (known != nil) != (i == remembered) {
				t.Errorf("%s: token %d is remembered: %t", what, i, known != nil)
			}
			if known != nil && (string(known.text) != token || known.stamp != stamp || known.user != domain.UserID(fmt.Sprint("user ", i))) {
				t.Errorf("%s: token %d is remembered as %+v", what, i, known)
			}
		}
	}
	expect("at first", -1, 0)
	note(0, 100, 50)
	expect("in an empty slot", 0, 100)
	for range 3 {
		note(1, 101, 50)
		note(2, 102, 50)
	}
	expect("others that alternate", 0, 100)
	for range 3 {
		note(1, 101, 100)
		v.find(shared[0])
	}
	expect("another again and again, while it is in use", 0, 100)
	note(1, 101, 100)
	note(1, 101, 100)
	expect("another twice in a row", 1, 101)
	note(2, 102, 101)
	expect("another once, on the last moment", 1, 101)
	note(0, 100, 102)
	expect("another once, when the time is over", 0, 100)
}

// A token of the same hash is not taken for the one that is remembered.
func TestEqualHashesAreNotEnough(t *testing.T) {
	v := newVerified()
	_, hash := v.find("one")
	v.note(hash, "two", 1, "user", 0)
	if known, _ := v.find("one"); known != nil {
		t.Errorf("taken for %s", known.text)
	}
}
