/* Before the first paint: the colours that this person chose here. */
try { const saved = localStorage.getItem('theme'); if (saved) document.documentElement.dataset.theme = saved; } catch { /* no storage: the system's choice */ }
