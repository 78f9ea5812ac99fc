package http_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/zarafa/presence/adapters/bolt"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/bench"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// durableClients is how many clients ask or put at the same time when a store on the disk is compared with one in memory.
const durableClients = 64

// BenchmarkDurable compares a daemon whose store survives a killed process with one that keeps presences in memory alone, and for the
// record with a Redis that writes to the disk. Redis does less: it keeps a record unread under a name, for anyone who asks. And it is a process of
// its own, while the daemon shares one with the clients. The clients are the same for all, and in this process.
func BenchmarkDurable(b *testing.B) {
	durable := startWith(b, localConfig(), coretest.StartOver(b, durableJournal(b), clock.New()))
	volatile := start(b)
	redis := startRedis(b)
	b.Run("get", func(b *testing.B) {
		for i := range durableClients {
			durable.knows(b, domain.UserID(user(i)), spreed, domain.Available, "feeling chatty..")
			volatile.knows(b, domain.UserID(user(i)), spreed, domain.Available, "feeling chatty..")
		}
		get := func(b *testing.B, r *running) bench.Load {
			return loadOf(b, durableClients, r.Addr(), func(client int) string { return request("GET", r.body(mark, entry(client))) }, func([]byte) {})
		}
		b.Run("memory", func(b *testing.B) { bench.Compare(b, 0.95, get(b, volatile), get(b, durable)) })
		b.Run("redis", func(b *testing.B) { bench.Compare(b, 0, redis.get(b, recordOf(durable, 0)), get(b, durable)) })
	})
	// Every time a client puts, it is another user's turn, and each turn a user shows something else.
	b.Run("put", func(b *testing.B) {
		turns := make([]int, durableClients)
		put := func(b *testing.B, r *running) bench.Load {
			return loadOf(b, durableClients, r.Addr(), func(client int) string { return request("PUT", recordOf(r, client)) },
				func(request []byte) { nextUser(request, turns) })
		}
		b.Run("memory", func(b *testing.B) { bench.Compare(b, 0.45, put(b, volatile), put(b, durable)) })
		b.Run("redis", func(b *testing.B) {
			set := redis.set(b, func(client int) string { return recordOf(durable, client) }, func(request []byte) []byte { return nextUser(request, turns) })
			bench.Compare(b, 0, set, put(b, durable))
		})
	})
}

// recordOf returns the body of a client's put, which is what Redis is given to keep.
func recordOf(r *running, client int) string {
	return r.body(service, fmt.Sprintf(`{"user_id":"u%03d-%06d@example.test","spreed":{"status":"busy","message":"meeting 0000"}}`, client, 0))
}

// usersOfClient is how many users one client puts in turn.
const usersOfClient = 1000

// nextUser makes of a put that ends with its body the client's next one: another user, and after each round of them another message. It
// returns the user's id, as it is in the request.
func nextUser(request []byte, turns []int) []byte {
	at := len(request) - len(`uCCC-UUUUUU@example.test","spreed":{"status":"busy","message":"meeting 0000"}}]}`)
	var client int
	_, _ = fmt.Sscanf(string(request[at+1:at+4]), "%d", &client)
	turns[client]++
	putNumber(request[at+5:at+11], turns[client]%usersOfClient)
	end := len(request) - len(`"}}]}`)
	putNumber(request[end-4:end], turns[client]/usersOfClient)
	return request[at : at+len(`uCCC-UUUUUU@example.test`)]
}

// putNumber writes a number into digits.
func putNumber(digits []byte, n int) {
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
}

// durableJournal returns a journal on the disk.
func durableJournal(b *testing.B) ports.Journal {
	b.Helper()
	journal, err := bolt.New(bolt.Config{Dir: filepath.Join(b.TempDir(), "store")}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	return journal
}
