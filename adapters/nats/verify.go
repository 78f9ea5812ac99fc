package nats

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/minio/highwayhash"
)

// The engine mends a damaged file by cutting off what it cannot read, and with it what was acknowledged. So its files are looked at before
// it gets them. This is the format in which nats-server 2.15 keeps a stream: a directory with
//
//	meta.inf, meta.sum   the configuration, and its checksum
//	msgs/N.blk           records: length (4 bytes, with a bit for headers), number (8), time (8), length of the subject (2), the subject, with
//	                     headers their length (4) and they themselves, the message, a checksum (8); all integers little endian
//
// A checksum is HighwayHash-64 with the SHA-256 of a name as its key. What else there is the engine can make anew.
const (
	recordHeader   = 22
	recordChecksum = 8
	headersBit     = 1 << 31
)

// damage is a file of the engine that is not as it was written.
type damage struct {
	file string
	at   int64 // what is before is whole
	tail bool  // nothing is behind it but, at most, the rest of what was written last
	why  string
}

func (d *damage) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s", d.file, d.at, d.why)
}

// verifyStreams looks at all streams below a directory, which need not be there, and returns the first damage.
func verifyStreams(root string) error {
	streams, err := filepath.Glob(filepath.Join(root, "jetstream", "*", "streams", "*"))
	if err != nil {
		return err
	}
	for _, stream := range streams {
		if err := verifyMeta(stream); err != nil {
			return err
		}
		if err := verifyBlocks(stream); err != nil {
			return err
		}
	}
	return nil
}

// sum returns the checksum of some pieces of data under a name.
func sum(name string, pieces ...[]byte) []byte {
	key := sha256.Sum256([]byte(name))
	hash, err := highwayhash.New64(key[:])
	if err != nil { // the key has the right length
		panic(err)
	}
	for _, piece := range pieces {
		_, _ = hash.Write(piece) // never fails
	}
	return hash.Sum(nil)
}

// verifyMeta looks at a stream's configuration.
func verifyMeta(stream string) error {
	file := filepath.Join(stream, "meta.inf")
	text, err := os.ReadFile(file) //nolint:gosec // below store.dir
	if err != nil {
		return &damage{file: file, why: err.Error()}
	}
	checksum, err := os.ReadFile(filepath.Join(stream, "meta.sum")) //nolint:gosec // below store.dir
	if err != nil {
		return &damage{file: file, why: err.Error()}
	}
	if want := hex.EncodeToString(sum(filepath.Base(stream), text)); string(bytes.TrimSpace(checksum)) != want {
		return &damage{file: file, why: "its checksum is wrong"}
	}
	return nil
}

// verifyBlocks looks at a stream's messages.
func verifyBlocks(stream string) error {
	blocks, err := filepath.Glob(filepath.Join(stream, "msgs", "*.blk"))
	if err != nil {
		return err
	}
	last := 0
	for _, file := range blocks {
		last = max(last, blockNumber(file))
	}
	for _, file := range blocks {
		block, err := os.ReadFile(file) //nolint:gosec // below store.dir
		if err != nil {
			return &damage{file: file, why: err.Error()}
		}
		name := filepath.Base(stream) + "-" + strconv.Itoa(blockNumber(file))
		at, why := verifyBlock(name, block)
		if why != "" {
			return &damage{file: file, at: at, why: why, tail: blockNumber(file) == last}
		}
	}
	return nil
}

func blockNumber(file string) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(file), ".blk"))
	return n
}

// verifyBlock returns where a block's first record is that is not whole, and why: an empty text if there is none.
func verifyBlock(name string, block []byte) (at int64, why string) {
	for rest := block; len(rest) > 0; {
		at = int64(len(block) - len(rest))
		if len(rest) < recordHeader+recordChecksum {
			return at, "the last record is too short"
		}
		length := binary.LittleEndian.Uint32(rest)
		size := int(length &^ headersBit)
		if size < recordHeader+recordChecksum || size > len(rest) {
			return at, "a record has an impossible length"
		}
		subject := int(binary.LittleEndian.Uint16(rest[20:]))
		data := rest[recordHeader : size-recordChecksum]
		skip := 0
		if length&headersBit != 0 {
			skip = 4
		}
		if subject+skip > len(data) {
			return at, "a record has an impossible subject"
		}
		if !bytes.Equal(sum(name, rest[4:20], data[:subject], data[subject+skip:]), rest[size-recordChecksum:size]) {
			return at, "the checksum of a record is wrong"
		}
		rest = rest[size:]
	}
	return 0, ""
}

// bootID tells one run of the machine's kernel from another; it is empty if the system does not say.
func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}

// acceptable reports whether a damage is what a power failure leaves: the end of what was written last is missing, and the machine has
// been started again since. A killed process does not do that.
func acceptable(err error, writtenDuring string) bool {
	var found *damage
	return errors.As(err, &found) && found.tail && writtenDuring != "" && writtenDuring != bootID()
}
