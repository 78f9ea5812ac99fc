package portstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
)

// plantedVerifier verifies "SECONDS USER MAC", soundly but for one fault.
type plantedVerifier struct {
	clock *SetClock
	fault string
}

const plantedLife = time.Minute

func (p *plantedVerifier) issue(user domain.UserID) string {
	text := fmt.Sprintf("%d %s", int64(p.clock.Now())/int64(time.Second), user)
	return text + " " + p.mac(text)
}

func (*plantedVerifier) mac(text string) string {
	mac := hmac.New(sha256.New, []byte("a secret of the tests"))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

func (p *plantedVerifier) Verify(token string) (domain.Principal, error) {
	parts := strings.Split(token, " ")
	no := func(why string) (domain.Principal, error) {
		if p.fault == "tells the token" {
			why += token
		}
		return domain.Principal{}, fmt.Errorf("%w: %s", domain.ErrUnauthenticated, why)
	}
	if len(parts) != 3 || !hmac.Equal([]byte(parts[2]), []byte(p.mac(parts[0]+" "+parts[1]))) && p.fault != "takes any mac" {
		return no("forged")
	}
	seconds, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return no("malformed")
	}
	end := domain.Timestamp(seconds * int64(time.Second)).Add(plantedLife)
	switch now := p.clock.Now(); {
	case now > end && p.fault != "never expires":
		return no("expired")
	case now < end.Add(-plantedLife) && p.fault != "takes what is to come":
		return no("from the future")
	}
	by := domain.Principal{User: domain.UserID(parts[1]), Until: end}
	switch p.fault {
	case "is always bob":
		by.User = verifiedBob
	case "has no end":
		by.Until = math.MaxInt64
	}
	return by, nil
}

// TestVerifierSuite: a sound verifier passes, and each fault is caught by the sentence that it breaks. No sentence is without a fault.
func TestVerifierSuite(t *testing.T) {
	stageWith := func(fault string) VerifierStage {
		p := &plantedVerifier{clock: NewSetClock(), fault: fault}
		return VerifierStage{Verifier: p, Issue: p.issue, Lifetime: plantedLife, Clock: p.clock}
	}
	Verifier(t, func(testing.TB) VerifierStage { return stageWith("none") })
	faults := map[string]int{ // the sentence that each breaks
		"is always bob": 0, "never expires": 1, "has no end": 1, "takes what is to come": 2, "takes any mac": 3, "tells the token": 3,
	}
	broken := map[int]bool{4: true} // the race detector catches what breaks the last one
	for fault, sentence := range faults {
		broken[sentence] = true
		failures := failuresOf(t, func(t testing.TB) { verifierContract[sentence].check(t, stageWith(fault)) })
		if len(failures) == 0 {
			t.Errorf("who %s is not caught by: %s", fault, verifierContract[sentence].sentence)
		}
	}
	for i, c := range verifierContract {
		if !broken[i] {
			t.Errorf("no planted fault breaks: %s", c.sentence)
		}
	}
}
