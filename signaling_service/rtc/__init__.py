"""WebRTC: aiortc and what is changed in it, the camera's track and the returned one."""
