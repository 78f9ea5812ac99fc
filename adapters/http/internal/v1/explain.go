package v1

import (
	"fmt"
	"strings"

	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/domain"
)

// appendExplanation adds to the document of a user, which is at the end of dst, why the user is as it says.
func appendExplanation(dst []byte, state *domain.State) []byte {
	dst = append(dst[:len(dst)-1], `,"explanation":[`...)
	for i, sentence := range explain(state) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = respond.AppendString(dst, sentence)
	}
	return append(dst, "]}"...)
}

// explain says in sentences, for a person, why a user is as the state says: what every protocol says, which rule decided, and what comes next.
func explain(state *domain.State) (sentences []string) {
	if state.StatusOnly {
		return []string{fmt.Sprintf("The user is %s. You see no more of this user than the status.", state.Unified.Status)}
	}
	for i := range state.Presences {
		sentences = append(sentences, explainPresence(&state.Presences[i]))
	}
	unified := &state.Unified
	so := "So the user"
	if len(sentences) == 0 {
		so = "The user"
	}
	sentences = append(sentences, fmt.Sprintf("%s is %s, because %s.", so, unified.Status, because(unified)))
	if next := &state.Next; next.By != (domain.Protocol{}) {
		sentences = append(sentences, fmt.Sprintf("After %s the user is %s, by %s, if nothing else changes.", next.At, next.Status, next.By))
	} else if !next.At.IsZero() {
		sentences = append(sentences, fmt.Sprintf("After %s no protocol knows the user any more, if nothing else changes.", next.At))
	}
	if state.Invisible {
		sentences = append(sentences, "The user is invisible: others are shown what they would see if every protocol had reported unavailable when that began.")
	}
	return sentences
}

func explainPresence(p *domain.Presence) string {
	var text strings.Builder
	_, _ = fmt.Fprintf(&text, "%s says %s", p.Protocol, p.Status) // writing to a Builder never fails
	if p.Activity != domain.NoActivity {
		_, _ = fmt.Fprintf(&text, " (%s)", p.Activity)
	}
	if p.Message != "" {
		_, _ = fmt.Fprintf(&text, " %q", p.Message)
	}
	_, _ = fmt.Fprintf(&text, " since %s", p.Since)
	switch {
	case p.Fixed:
		_, _ = fmt.Fprintf(&text, ", up to %s", p.Expires)
	case !p.Expires.IsZero():
		_, _ = fmt.Fprintf(&text, ", up to %s unless it is renewed", p.Expires)
	}
	if p.Stale {
		text.WriteString("; the connection to the source is lost, so this may no longer be true")
	}
	return text.String() + "."
}

// because returns the rest of a sentence.
func because(unified *domain.Unified) string {
	switch unified.Reason {
	case domain.NobodyKnows:
		return "no protocol knows the user"
	case domain.OnlyOne:
		return fmt.Sprintf("only %s knows the user", unified.By)
	case domain.Preferred:
		return fmt.Sprintf("%s stands first of what matches in the configured precedence", unified.Rule)
	case domain.Strongest:
		return fmt.Sprintf("%s says the strongest status", unified.By)
	case domain.Latest:
		return fmt.Sprintf("of those that say so %s has changed last", unified.By)
	}
	return fmt.Sprintf("of those that say so at the same moment %s is the first by its name", unified.By)
}
