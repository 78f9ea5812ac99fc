package main

import (
	"bytes"
	"cmp"
	"image/png"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/zarafa/presence/internal/browsertest"
)

// TestPicture opens the printed URL in a browser and takes a picture when the board shows each status and each protocol, with "my status" open. The page
// must log no error. With BOARD_PICTURES=DIRECTORY the picture is written there as board.png: that is how docs/board.png is made.
func TestPicture(t *testing.T) {
	d := launch(t, nil)
	d.awaitInstructions()
	t.Run("browser", func(t *testing.T) { // it ends before the demo does
		page := browsertest.Start(t, browsertest.Chromium).Open(t, boardURL.FindString(d.stdout.String()), browsertest.Look{Width: 1280, Height: 800, Scheme: "light"})
		page.Until(t, "all is on the board", `(() => {
			const rows = [...document.querySelectorAll(".row")];
			const texts = (part) => new Set(rows.map((row) => row.querySelector(part).textContent));
			return rows.length === 12 && texts(".status").size === 4 && ["xmpp", "spreed", "manual", "asterisk", "calendar"].every((protocol) => texts(".by").has(protocol)) &&
				rows.filter((row) => row.querySelector(".status").textContent === "unavailable").length < 4;
		})()`)
		page.Run(t, `document.querySelector("presence-me").shadowRoot.querySelector("button").click()`)
		file := filepath.Join(cmp.Or(os.Getenv("BOARD_PICTURES"), t.TempDir()), "board.png")
		page.Screenshot(t, file)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if picture, err := png.DecodeConfig(bytes.NewReader(content)); err != nil || picture.Width != 1280 || picture.Height != 800 {
			t.Errorf("the picture is %dx%d, want 1280x800 (%v)", picture.Width, picture.Height, err)
		}
	})
	d.signal(syscall.SIGINT)
	d.ends(0)
}
