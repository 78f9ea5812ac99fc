package events

import (
	"fmt"
	"testing"

	v1 "github.com/zarafa/presence/adapters/http/internal/v1"
	"github.com/zarafa/presence/domain"
)

// BenchmarkSubscribe reads the users of a request for a stream: a thousand ids that are plain, that have capitals, and that are not ASCII.
func BenchmarkSubscribe(b *testing.B) {
	for _, form := range []string{"user%d@example.test", "User%d@example.test", "üser%d@example.test"} {
		b.Run(form, func(b *testing.B) {
			asked := v1.Query{Named: true}
			for i := range 1000 {
				asked.Users = append(asked.Users, fmt.Sprintf(form, i))
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := subscribe(&asked, domain.Principal{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
