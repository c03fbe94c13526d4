"""From the working size back to the pixels of the picture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic import track_cut
from airoto_server.engines.classic.track_frame import Frame, lab_of

Plane = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

MODE='guided'
R=6; EPS=1e-3; S=3.0; SL=6.0; IT=40; BL=1.0

def enlarge(inside: Bool, frame: Frame, *, refine: bool) -> Plane:
    """A cut (h, w) bool as a soft mask (H, W) float32, 0 to 1, of the picture's size.

    Args:
        refine: whether to move the boundary onto edges of the picture.
    """
    height, width = frame.grey.shape
    smooth = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), BL)
    mask = np.clip(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_CUBIC),0,1)
    if not refine: return mask
    ys,xs=np.nonzero((mask>.01))
    if not ys.size: return mask
    y0,y1,x0,x1=max(0,ys.min()-8),ys.max()+9,max(0,xs.min()-8),xs.max()+9
    sl=(slice(y0,y1),slice(x0,x1))
    p=mask[sl]
    if MODE=='guided':
        I=frame.picture[sl]; 
        b=lambda v: cv2.blur(v,(2*R+1,2*R+1),borderType=cv2.BORDER_REPLICATE)
        g=frame.grey[sl].astype(np.float32)/255
        mI,mp=b(g),b(p); a=(b(g*p)-mI*mp)/(b(g*g)-mI*mI+EPS); c=mp-a*mI
        q=np.clip(b(a)*g+b(c),0,1)
    else:
        lab=lab_of(np.ascontiguousarray(frame.picture[sl]))
        costs=track_cut.edge_costs(lab,S)
        q=track_cut.solve(SL*(2*p-1)*(1+20*((p<.03)|(p>.97))),costs,IT)
        q=cv2.GaussianBlur(q,(0,0),.7)
    # only in band
    out=mask.copy(); band=(p>.03)&(p<.97)
    out[sl]=np.where(band,q,p); return out
